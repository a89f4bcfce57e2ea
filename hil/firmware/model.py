"""A model's name or a checkpoint's path, as what the compiler makes of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hil import zoo
from hil.errors import HilError

if TYPE_CHECKING:
    from hil.compiler import QuantisedGraph
    from hil.reference.catalogue import Network, Spec


def load_model(model: str) -> tuple[QuantisedGraph, Network]:
    """The quantised graph and the float network of a shipped model's name or a checkpoint's path."""
    from hil.compiler import compile_network
    from hil.reference import weights

    path = zoo.find(model)
    network = weights.load(path)
    known = weights.metadata(path)
    if "ranges" not in known:
        raise HilError(f"{path} has no calibrated ranges yet: hil quantise {path} --images DIR --out NEW.safetensors")
    return compile_network(network, json.loads(known["ranges"]), json.loads(known.get("bias_shifts", "{}"))), network


def model_spec(model: str) -> Spec:
    """What is fixed about a model's network, from its checkpoint alone."""
    from hil.reference import weights

    return weights.load(zoo.find(model)).spec
