"""From a PyTorch network to C firmware.

trace.py      torch module -> operator graph (operators.py)
calibrate.py  operator graph and photos -> activation ranges; bias.py: the offset that rounded weights cause
quantise.py   all of it -> integer graph (graph.py, on disk: store.py)
              of layers.py, cells.py and families/ (family.py), in the formats of formats.py
integer.py    runs the integer graph bit-exactly in numpy; decode.py: boxes from its outputs
names.py      names of layers that are valid in C
tensors.py    the tensors that the firmware can show: layers' outputs and others
schedule.py   replays the order in which the firmware computes rows
chains.py     layers that run together, a few pixels of a row at a time; stages.py: maps made whole first
predict.py    cycles of layers and chains; memory.py: what they need to work
draft.py      the buffers of a schedule and their lifetimes; plan.py: their places on a board
choose.py     drafts possible schedules, and chooses one
emit.py       writes the C sources; weights.py: their constants
check.py      the graph's rules against the network's specification
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hil.compiler.choose import choose, frontier, make_plan
from hil.compiler.decode import detect
from hil.compiler.emit import emit
from hil.compiler.graph import QuantisedGraph
from hil.compiler.integer import Trace, run
from hil.compiler.plan import Plan
from hil.compiler.store import load as load_graph
from hil.compiler.store import save as save_graph
from hil.compiler.tensors import tensors

if TYPE_CHECKING:
    from hil.compiler.bias import bias_shifts
    from hil.compiler.quantise import compile_network

_WITH_TORCH = {"bias_shifts": "bias", "compile_network": "quantise"}  # which takes two seconds to import

__all__ = [
    "Plan", "QuantisedGraph", "Trace", "bias_shifts", "choose", "compile_network", "detect", "emit", "frontier",
    "load_graph", "make_plan", "run", "save_graph", "tensors",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _WITH_TORCH:
        raise AttributeError(f"module {__name__} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WITH_TORCH[name]}"), name)
