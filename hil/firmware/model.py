"""A model's name or a checkpoint's path, as what the compiler makes of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hil import zoo
from hil.board import Board
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


def plan_of(model: str, board: Board, ram_budget: int | None = None) -> dict[str, Any]:
    """The plan of a model on a board as plan.json has it, without building anything.

    "curve" has what there was to choose from, the fastest first: RAM on the chip, SDRAM, predicted cycles of each plan.
    """
    from hil.compiler import choose, frontier
    from hil.compiler.emit import description

    graph, _ = load_model(model)
    plans = frontier(graph, board)
    chosen = choose(plans, graph, ram_budget)
    curve = [
        {
            "ram_bytes": plan.ram_bytes,
            "sdram_bytes": plan.arenas.get("sdram", 0),
            "predicted_cycles": sum(plan.cycles.values()),
            "binding": plan.binding,
            "chosen": plan is chosen,
        }
        for plan in plans
    ]
    return description(graph, chosen, build_id="") | {"curve": curve}
