"""From a torch network to C firmware.

trace.py makes an operator graph (operators.py) of a torch module; calibrate.py finds its activation ranges; quantise.py
turns both into the integer graph (graph.py, on disk: store.py), which integer.py runs bit-exactly in numpy and decode.py
turns into boxes; plan.py schedules rows and places buffers; emit.py and weights.py write C.
"""

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
    "Plan", "QuantisedGraph", "Ranges", "Trace", "calibrate", "compile_network", "detect", "emit", "load_graph",
    "make_plan", "run", "save_graph",
]  # fmt: skip
