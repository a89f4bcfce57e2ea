"""From a PyTorch network to C firmware.

reading/      torch module -> operator graph; operator graph and photos -> ranges of activations
quantise.py   all of it -> integer graph; bias.py: the offset that rounded weights cause
quantised/    what the integer graph is made of; store.py: on disk; check.py: its rules against the specification
families/     most kinds of layers, a file a family: what they compute, how they are quantised and written
integer.py    runs the integer graph bit-exactly in numpy; decode.py: boxes from its outputs
kernels/      which of the firmware's loops a layer gets, and weights in the order in which it reads them
planning/     which layers run together and in what order, their cycles, their buffers and the buffers' places
emit.py       writes the C sources
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hil.compiler.decode import detect
from hil.compiler.emit import emit
from hil.compiler.integer import Trace, run
from hil.compiler.planning.choose import choose, frontier, make_plan
from hil.compiler.planning.plan import Plan
from hil.compiler.quantised.graph import QuantisedGraph
from hil.compiler.quantised.tensors import tensors
from hil.compiler.store import load as load_graph
from hil.compiler.store import save as save_graph

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
