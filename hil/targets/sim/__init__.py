"""A simulated STM32F4 board in this process: Unicorn's CPU, and the parts of the chip that firmware can notice.

core/          the Cortex-M4 and its memory: Unicorn, checked block by block
peripherals/   registers: the core's own, and those on the buses
chip.py        the die: core, buses and peripherals wired together; events.py, clock.py: virtual time
exceptions.py  exceptions left to Python; faults.py: what a fault is; crash.py: its way to the handler and the bench
board.py       SimBoard: runs the chip through virtual time, and handles whatever stops the core
target.py      SimTarget, the board as the bench uses it; call.py: one function called by itself; bit_flips.py: harm
program.py     a whole program from reset on; semihosting.py: its requests to a debugger
bench.py       measures its speed; bare.py: without the timing model; trial.py: a check that it works here
"""

from hil.targets.sim.board import SimBoard
from hil.targets.sim.target import SimTarget

__all__ = ["SimBoard", "SimTarget"]
