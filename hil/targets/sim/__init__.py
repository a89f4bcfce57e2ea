"""A simulated STM32F4 board, in this process: Unicorn's CPU, and around it what firmware can notice of the chip.

target.py          SimTarget, the board as the bench uses it; call.py: one function called by itself
board.py           SimBoard: runs the chip through virtual time and deals with what stops the core
chip.py            the die: core, buses and peripherals wired together
core.py            the Cortex-M4, run from one stop to the next; pages.py: what Unicorn may do with a page
blocks.py, bases.py   what must be checked in a block that Unicorn does not; blocktable.py, watched.py: where that goes
exceptions.py      exception entry and return; nvic.py, scb.py, scs.py, systick.py, dwt.py: the core's own registers
faults.py          what a fault is; crash.py: its way to the firmware's handler and to the bench
memory.py          flash, SRAM, CCM; image.py: a firmware checked and split into bytes for them
bus.py             the peripheral buses; polling.py: loops that wait for a register, made short
rcc.py, flash.py, pwr.py, gpio.py, dma.py, usart.py, dbgmcu.py, bitband.py: what is on the buses
events.py, clock.py   virtual time
unicorn_api.py     the private part of Unicorn's interface; bench.py: how fast it all is
"""

from hil.targets.sim.board import SimBoard
from hil.targets.sim.target import SimTarget

__all__ = ["SimBoard", "SimTarget"]
