"""From a torch network to C firmware.

trace.py      torch module -> operator graph (operators.py)
calibrate.py  operator graph and photos -> activation ranges; bias.py what rounding weights does to the sums
quantise.py   all of it -> integer graph (graph.py, on disk: store.py)
integer.py    runs the integer graph bit-exactly in numpy; decode.py makes boxes of its outputs
schedule.py   replays in which order the firmware makes rows
plan.py       places buffers on a board, in the stages of stages.py
emit.py       writes the C that does all this, weights.py its constants
"""

from hil.compiler.bias import bias_shifts
from hil.compiler.calibrate import Ranges, calibrate
from hil.compiler.decode import detect
from hil.compiler.emit import emit
from hil.compiler.graph import QuantisedGraph
from hil.compiler.integer import Trace, run
from hil.compiler.plan import Plan, make_plan
from hil.compiler.quantise import compile_network
from hil.compiler.store import load as load_graph
from hil.compiler.store import save as save_graph

__all__ = [
    "Plan", "QuantisedGraph", "Ranges", "Trace", "bias_shifts", "calibrate", "compile_network", "detect", "emit",
    "load_graph", "make_plan", "run", "save_graph",
]  # fmt: skip
