"""A model's name or a checkpoint's path, as what the compiler makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta
from safetensors import SafetensorError, safe_open

from hil import zoo
from hil.errors import HilError
from hil.reading import Number, json_as
from hil.shown import shown

if TYPE_CHECKING:
    from hil.compiler import QuantisedGraph
    from hil.reference.catalogue import Network, Spec


_Range = Annotated[float, Meta(ge=0, le=1e9)]  # the largest activation
OPERATING_POINT = "operating_point"  # key of a checkpoint's metadata
CONFIDENT = 0.5


def load_model(model: str) -> tuple[QuantisedGraph, Network]:
    """The quantised graph and the float network of a shipped model's name or a checkpoint's path."""
    from hil.compiler import compile_network
    from hil.reference import weights

    path = zoo.find(model)
    network = weights.load(path)
    known = weights.metadata(path)
    if "ranges" not in known:
        raise HilError(f"{path} has no calibrated ranges yet: hil quantise {path} --images DIR --out NEW.safetensors")
    said = "{0}, {1} of its metadata"
    ranges: dict[str, float] = json_as(known["ranges"], dict[str, _Range], said.format(path, "ranges"))
    shifts: dict[str, list[float]] = json_as(
        known.get("bias_shifts", "{}"), dict[str, list[Number]], said.format(path, "bias_shifts")
    )
    try:
        return compile_network(network, ranges, shifts), network
    except (ValueError, KeyError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise HilError(
            f"{path} cannot be quantised with the ranges and bias shifts in its metadata ({shown(error)}): "
            "hil quantise makes new ones"
        ) from error


def operating_point(model: str) -> float:
    """The lowest score of a model's boxes that people are shown: its checkpoint's, CONFIDENT where it has none.

    Raises HilError for one that is no score.
    """
    path = zoo.find(model)
    said = _metadata(path).get(OPERATING_POINT)
    try:
        found = CONFIDENT if said is None else float(said)
    except ValueError:
        found = -1
    if not 0 <= found <= 1:
        raise HilError(
            f"{path} has the operating point {said!r}, expected a score from 0 to 1: hil quantise chooses one"
        )
    return found


def _metadata(path: Path) -> dict[str, str]:
    """A checkpoint's, without torch; none of a file that is no checkpoint of ours."""
    try:
        with safe_open(path, "numpy") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError):
        return {}


def model_spec(model: str) -> Spec:
    """What is fixed about a model's network, from its checkpoint alone."""
    from hil.reference import weights

    return weights.load(zoo.find(model)).spec
