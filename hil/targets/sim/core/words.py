"""Where the board keeps what native code and Python both work on: words of the block hook's array.

Behind the header of hil.timing.compiled.blockhook, before its table. What a debugger saves of the one it saves of the
other. Cycles are those of the core's clock.
"""

from __future__ import annotations

from hil.timing.compiled.blockhook import BOARD, TABLE

NEVER = (1 << 62) - 1  # a cycle that does not come, with room to add to it

# -- the core as Unicorn has it
UC = BOARD  # its handle
FN_START, FN_REG_WRITE = UC + 1, UC + 2
PC = UC + 3  # where the core stopped, or goes on
CODE = UC + 4  # that uc_emu_start returned
INTERRUPT = UC + 5  # 1 + the number of Unicorn's interrupt that stopped it
TRAPPED = UC + 6  # a callback in Python has stopped it, or has an error to raise
STOP_AT = UC + 7  # the address that is never executed
PHASE = UC + 8  # where running.run begins, one of PHASE_*
STATE = UC + 10  # the array's own address
IS_WATCHED = UC + 9  # somebody wants to be told of each exception's entry and return

# -- time
EVENT = UC + 12  # the next event of a peripheral
UNTIL = UC + 13  # when the board has run for as long as it should
MUST_END = UC + 14  # when a fault's handler has had its time
BUSY_SINCE, LONGEST_BUSY = UC + 15, UC + 16  # since when it neither slept nor sent, and for how long it may
SLEEPS, ASLEEP_SINCE = UC + 17, UC + 18
NAPS = UC + 19  # times that it fell asleep
SLEPT = UC + 23  # cycles, in all
HAS_EVENT = UC + 20  # the event register: WFE does not wait then
TICK_AT, TICK_PERIOD = UC + 21, UC + 22  # when SysTick next comes to 0, and from then on

# -- the system control block
VECTORS, ALIGNS_STACK, SLEEPS_ON_EXIT, GROUP_MASK = range(UC + 24, UC + 28)

# -- exceptions in a row (hil.targets.sim.restless)
STREAK, RESTLESS, UNHEARD = range(UC + 32, UC + 35)  # that thread code saw nothing of; since a sleep; since a byte
AWAKE = UC + 35  # sleeps in a row that were none
LEFT_AT = UC + 36  # 1 + the instructions executed when thread code last went on; 0: an exception has come since
WITHOUT_PROGRESS, WITHOUT_REST, MOST_AWAKE = 5_000, 40_000, 200_000  # of STREAK, RESTLESS, AWAKE: that is a storm

# -- memories: origin, end, address in this process; RAM first, then flash
REGIONS = UC + 40
REGION_WORDS, MOST_RAMS = 3, 3
FLASH_REGION = REGIONS + MOST_RAMS * REGION_WORDS

# -- exceptions, by number: sets of two words each, a byte of priority each
MOST_EXCEPTIONS = 128
ENABLED, PENDING_SET, LINES = range(UC + 56, UC + 62, 2)
PRIORITIES = UC + 64
MOST_ACTIVE = 64
ACTIVE_COUNT, ACTIVE = UC + 80, UC + 81  # the innermost last
FRAME_COUNT, FRAMES = ACTIVE + MOST_ACTIVE, ACTIVE + MOST_ACTIVE + 1  # contexts on the stacks: address and bytes each
ENDED = FRAMES + 2 * MOST_ACTIVE  # the exception that was returned from last

# -- registers that native code answers (hil.targets.sim.core.answering)
FN_PRIVATE_WRITE, FN_AHB_READ, FN_AHB_WRITE = range(ENDED + 1, ENDED + 4)  # the callbacks for every other access
SERVED = ENDED + 4  # uses of registers since Python saw one
MOST_SERVED = 256  # then Python sees one, which counts them
EXISTING = ENDED + 5  # the exceptions that the chip has, as a set
TICK_CONTROL, TICK_RELOAD, TICK_HELD = range(ENDED + 7, ENDED + 10)  # HELD: the count while it stands still
TICK_ZERO_AT, TICK_SEEN = ENDED + 10, ENDED + 11  # a cycle at which it was 0; that up to which COUNTFLAG has told of it
TICK_MOST = (1 << 24) - 1  # of TICK_RELOAD
DMAS = 2  # controllers, of which each has:
QUIET = ENDED + 12  # the cycle up to which nothing moves by itself, as far as Python knows
CLOCKED = QUIET + DMAS  # whether its clock is on
DMA, DMA_WORDS = CLOCKED + DMAS, 52  # its registers
DMA_STREAMS, STREAM_REGISTERS = 4, 6  # the words before those of its streams; of each stream
DMA_LINES = DMA + DMAS * DMA_WORDS  # the exception of each of its eight streams
GPIOS = 9  # ports
GPIO_CLOCKS = DMA_LINES + DMAS * 8  # a bit for each whose clock is on
GPIO_OUTPUTS = GPIO_CLOCKS + 1  # the ODR of each

# -- the end of a transfer to a USART, which native code sees to (hil.targets.sim.peripherals.ending)
END_AT, END_LINE = UC + 28, UC + 29  # the cycle, and the exception whose line goes high then
END_FROM, END_BYTES = UC + 30, UC + 31  # where in RAM the last bytes are, and how many; 0: they have been taken
END_KEPT, MOST_KEPT = GPIO_OUTPUTS + GPIOS, 256  # they then are
assert END_KEPT + MOST_KEPT // 8 <= TABLE

# -- PHASE
PHASE_LOOK, PHASE_GO = range(2)  # look what is due first; the core goes on in the middle of a block
