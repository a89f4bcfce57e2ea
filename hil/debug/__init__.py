"""A simulated board under GDB: halted, looked into, and run backwards.

target.py     DebugTarget: what the bench sees, a simulated board like any other
debugger.py   mediates between the host, which runs the board, and GDB, which halts it
requests.py   GDB's packets to a halted board; commands.py: GDB's monitor commands
history.py    returns to an instruction of the past; saved.py: the board's state as a value
points.py     breakpoints and watchpoints; hooks.py: their native part
registers.py  the core's registers as GDB counts them
server.py, packets.py   the protocol's bytes
"""

from hil.debug.debugger import DebuggerEndedError
from hil.debug.target import DebugTarget

__all__ = ["DebugTarget", "DebuggerEndedError"]
