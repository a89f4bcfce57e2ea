"""A simulated STM32F4 board, in this process: Unicorn's CPU, and around it what firmware can notice of the chip.

core/          the Cortex-M4 and its memory: Unicorn, checked block by block
peripherals/   registers: the core's own, and those on the buses
chip.py        the die: core, buses and peripherals wired together; events.py, clock.py: virtual time
exceptions.py  exception entry and return; faults.py: what a fault is; crash.py: its way to the handler and the bench
board.py       SimBoard: runs the chip through virtual time and deals with what stops the core
target.py      SimTarget, the board as the bench uses it; call.py: one function called by itself; bit_flips.py: harm
program.py     a whole program from reset on; semihosting.py: what it asks of a debugger
bench.py       how fast it all is, bare.py: beside a clock that costs nothing; trial.py: whether it works here at all
"""

from hil.targets.sim.board import SimBoard
from hil.targets.sim.target import SimTarget

__all__ = ["SimBoard", "SimTarget"]
