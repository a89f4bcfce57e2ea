"""The simulated Cortex-M4: what Unicorn runs, and what must be checked beside it.

core.py        the core, run from one stop to the next; state.py: what it has; stops.py: why it stopped
running.py     the same in native code, through exceptions, SysTick and sleep; stacking.py, priorities.py: exceptions
answering.py   registers that need no Python; ticking.py: SysTick's counter
words.py       what native code and Python share
blocks.py, bases.py   what of a block Unicorn does not check; blocktable.py, watched.py: where that goes
polling.py     loops that wait for a register, made short
memory.py      flash, SRAM, CCM, SDRAM
unicorn_api.py the private part of Unicorn's interface
"""
