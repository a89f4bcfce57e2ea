"""Where the compiled model keeps everything: one int64 array, the arena, that native hooks can reach by its address.

Offsets are words. A "row" is a decoded instruction with the rules worked into it (rows.py), a "class" what of
it matters to its successor, a "state" the pipeline at a block's border with times relative to that border, a "node" a
block entered in a state, an "exit" what running a node costs and leads to.
"""

from __future__ import annotations

LINE_WORDS = 8  # of this computer's cache; nodes, exits, rows and plans begin at a line

# -- functions of the outside world
FN_STOP, FN_REG_READ, FN_DECODE, FN_WORK_OUT, FN_FORGET, FN_LOOK, FN_SET_FLASH = range(7)

# -- counters
ARENA = 7  # its own address
CYCLES = 8  # at the last border
DEADLINE = 9
INSTRUCTIONS = 10
FN_PLAN, FN_EVALUATE, FN_MEM_READ, FN_RESTLESS = 14, 15, 185, 190
CORE_REGISTERS, FLOAT_REGISTERS = 187, 188  # hil.timing.compiled.registers.Places

# -- a profile being made (hil.timing.profile.profiler); 0: none
FN_COUNT = 11  # called for each block that has run
PROFILE = 12  # the address of what FN_COUNT works on
TRACE = 13  # the address that work_out writes TRACE_WORDS an instruction to

# -- rules
HAS_FETCH, HAS_LATE_RELEASE, HAS_SLAVES = range(16, 19)
HAS_SRAM_FETCH = 63

# -- a board's figures (hil.board.figures), as cycles on top of the first
DIVIDE_SHORTEST, DIVIDE_EQUAL, DIVIDE_BITS, DIVIDE_LONGEST = range(20, 24)
UNALIGNED_WORD, ODD_WORD, ODD_HALFWORD = range(48, 51)
SDRAM_LATENCY, SDRAM_HALFWORD, SDRAM_ROW = range(51, 54)
SRAM1_END, SRAM2_END = 58, 59

# -- flash interface
WAIT_STATES, HAS_INSTRUCTION_CACHE, HAS_DATA_CACHE, HAS_PREFETCH = range(24, 28)
SETTINGS = 28  # what the four were made from: wait states | prefetch << 8 | instruction cache << 9 | data cache << 10
TRACKS_LINES = 29  # full model and wait states: lines are followed
CURRENT_LINE, PREFETCHED_LINE, LINE_CLOCK, LINE_COUNT = range(32, 36)
ARGUMENT = 36  # the exit to be worked out by FN_WORK_OUT
# by the block being settled: how many lines, and the one after if a stolen fetch may enter it
LINES_ENTERED, PEEKED_LINE = 37, 38
LEARNS = 39  # the fast model: plans are gone by now and then
HOOKED_FROM = 61  # address from which on instructions of the running block have to be looked at
STEPS = 19  # how many of a plan are to be taken
HAS_MOVED = 189  # a root of the block to be entered is out of its bounds
OUT_OF_RANGE = 186  # an access between two addresses may go to different slaves, or to flash
PLAN = 164  # of the running block
WANTED = 165  # the plan of a block whose code hooks are in vain: it has to be translated anew
ALIAS = 173  # how far above its address the block that was entered last lies in flash
HOOK_RANGE = 167  # the address of the code hook's range in Unicorn, 0: it is everywhere
LINE_CHANGES = 166  # lines brought into the instruction cache
HELD = 60  # what runs is a part of a block whose accesses have been told: a block split in its middle
SLOT = 62  # of the instruction cache, that the next line to come in takes
LINE_SHIFT, FIRST_LINE, MOST_LINES, MOST_DATA_LINES = range(40, 44)  # of the accelerator; the first line of flash
SDRAM_ROWS = 54  # the open row of each of four banks, 0: none

NOWHERE = 1 << 40  # past all addresses

# -- the pipeline while a block is worked out; times relative to the block's entry
TIME, EXECUTED, PREVIOUS, OVERLAP = range(128, 132)
NEXT_WORD, LAST_REQUEST, FREE_COUNT = range(132, 135)
FREE = 136  # 3 slots
READY = 140  # ring of 4, by word address
BUSY_UNTIL, PREFETCH_READY = 144, 145
LINE_NOW, CODE_NEXT = 146, 147  # the line last fetched from, the next of CODES

BUS_FROM, BUS_TAKEN = 158, 159  # a cycle; of it and those behind it a bit each: the code's own accesses have the bus

CAUSES = 148  # why each word of READY came no sooner; a ring of 4 too
CAUSE_SEQUENCE, CAUSE_SLOT, CAUSE_FLASH = range(3)

# -- what the last instruction worked out met, for TRACE: T_TIME when it could have executed, T_OVERLAP whether the load
# before costs 1 less for it, T_CAUSE of the word it waited for, T_STALL which rule held it up, T_WAITS for flash data,
# T_SLAVE that it accessed
TRACE_WORDS = 9
T_ADDRESS, T_OVERLAP, T_TIME, T_CYCLE, T_CAUSE, T_STALL, T_WAITS, T_END, T_SLAVE = range(TRACE_WORDS)
TRACED = 176  # its words
STALL_ADDRESS, STALL_FP, STALL_STORE, STALL_BASE = 1, 2, 3, 4

# -- the block now running
NODE, SIGNATURE, SERIAL, STATE = range(160, 164)  # NODE 0: none runs
STATE_COUNT, NODE_COUNT, EXIT_COUNT, ROW_COUNT, CLASS_COUNT = range(168, 173)
SIMULATED = 174  # instructions worked out one by one

# -- the block whose lines were gone through last: if it runs again from the same lines on, nothing is different
LAST_NODE, LAST_CURRENT, LAST_PREFETCHED, LAST_TOTAL, LAST_CURRENT_AFTER, LAST_PREFETCHED_AFTER = range(152, 158)

# -- what the instruction cache says of each line that a block's fetches enter, in order
LINE_HIT, LINE_PREFETCHED, LINE_MISSED, LINE_SAME = range(4)
STARTS_PREFETCH = 4

# -- a state: PREVIOUS, EXECUTED, OVERLAP, words ahead, LAST_REQUEST, FREE_COUNT, FREE * 3, READY * 3, BUSY_UNTIL,
# PREFETCH_READY, BUS_FROM, BUS_TAKEN
STATE_WORDS = 16
S_AHEAD, S_LAST_REQUEST = 3, 4
STATES = 512
STATE_BITS = 14
STATE_STRIDE = 16
STATE_LIMIT, NODE_LIMIT, EXIT_LIMIT = (1 << 14) - 64, (1 << 16) - 64, (1 << 17) - 64  # then all is forgotten
STATE_HASH = STATES + (STATE_STRIDE << STATE_BITS)
START_STATE = STATES + STATE_STRIDE  # an empty pipeline; always interned first

# -- a class: what its successor needs to know of an instruction, the rules worked in
C_LATE, C_STORE, C_BASE, C_FP, C_LOADED, C_NARROW, C_MEMORY = range(7)
CLASS_STRIDE = 8
CLASS_CAPACITY = 1 << 12
CLASSES = STATE_HASH + (2 << STATE_BITS)
NO_CLASS, FAILED_NARROW, FAILED_WIDE = (CLASSES + CLASS_STRIDE * n for n in (1, 2, 3))

# -- a node
N_START, N_END, N_STATE, N_INSTRUCTIONS, N_FLAGS, N_EXIT = range(6)  # N_EXIT: last used if not taken, if taken
N_PLAN = 7
NODE_BITS = 16
NODE_STRIDE = 8
NODES = CLASSES + CLASS_STRIDE * CLASS_CAPACITY
NODE_HASH = NODES + (NODE_STRIDE << NODE_BITS)

# -- an exit
X_SIGNATURE, X_CYCLES, X_STATE, X_PEEKED, X_NODE, X_TAKEN, X_TARGET, X_NEXT = range(8)
EXIT_BITS = 17
EXIT_STRIDE = 8
EXITS = NODE_HASH + (2 << NODE_BITS)
EXIT_HASH = EXITS + (EXIT_STRIDE << EXIT_BITS)

# -- a row; the first eight words, a line of this computer's cache, are what hooks.look goes by each time
R_NEEDS, R_STAMP, R_DYNAMIC, R_BASE, R_INDEX, R_SHIFT, R_OFFSET, R_UNIT = range(8)
R_SIZE, R_COST, R_CLASS, R_ADDRESS, R_FLAGS, R_BASE_BACK, R_FP, R_DELAY = range(8, 16)
R_FIXED, R_BYTES = 16, 17
R_FUNCTION, R_DATA, R_OWN_ADDRESS = 18, 19, 20  # what NEED_CALL calls
R_HALFWORDS = 21  # that an access moves, where the board has SDRAM; else 0
R_BUS = 23  # words that it moves over the System bus while its code is fetched over it
R_PLAN = 22  # of the block that was last seen to begin here
ROW_STRIDE = 24
ROW_BITS = 18
ROWS = EXIT_HASH + (2 << EXIT_BITS)
NO_ROW = ROWS  # a NOP, for code where none can be
F_SINGLE, F_LOADS, F_OVERLAPS, F_FOLDS, F_STEALS, F_CONDITIONAL, F_DELAY_AFTER = (1 << n for n in range(7))
F_CALLS, F_RETURNS = 1 << 7, 1 << 8
KNOWN_SHIFT = 16  # of N_FLAGS: above its last instruction's flags stands what the board knows (blockhook.known)

# -- what a run knows of an instruction (R_DYNAMIC): slave | extra cycles << EXTRA_SHIFT | missing data lines <<
# MISS_SHIFT
SLAVE_MASK, ANY_SLAVE = 7, 7
SRAM_SLAVE, EXTERNAL_SLAVE = 2, 5
EXTRA_SHIFT, EXTRA_MASK = 3, (1 << 14) - 1  # 32 words from SDRAM at figures.py's greatest are 6,600
MISS_SHIFT = 17
# -- what the code hook must find out (R_NEEDS)
NEED_PASSED, NEED_ADDRESS, NEED_DIVIDE, NEED_SIGNED_DIVIDE, NEED_CALL = 1, 2, 4, 8, 16

# -- a plan: the steps that tell, at a block's entry, where its accesses go (plans.py). In the fast model they are taken
# at its first entry and then less and less often, as long as they tell the same: P_COUNTDOWN entries from now
# The first eight words, a line of this computer's cache, are all that the fast model goes by at most entries.
P_SIZE, P_COUNT, P_SIGNATURE, P_COUNTDOWN, P_INTERVAL = range(5)
P_START = 5
P_FROM = 6  # in the full model: from where on instructions have to be looked at
P_WANTS_HOOKS = 7  # in the fast model: instructions of the block have to be hooked before it is entered
P_VAIN, P_PATIENCE = 8, 14  # code hooks that came in vain, and how many may
P_RANGES = 9  # steps up to the last STEP_RANGE: they change nothing, and are tried before the block is entered
# in the full model: the first P_ROOTS steps are values that addresses come of. While each stays within its bounds, and
# P_IS_KEPT, all accesses say what they said, P_KEPT, but for the P_RESTLESS whose numbers stand behind the steps
P_ROOTS, P_IS_KEPT, P_KEPT, P_RESTLESS = range(10, 14)
P_HAS_CHANGED = P_KEPT  # in the fast model: it has told different things
P_STEPS = 15
STEP_WORDS = 5
# S_KIND: kind | shift << 8 | first slot << 16 | second slot << 32; S_VALUE: R_DYNAMIC as it was told last
S_KIND, S_CONSTANT, S_ROW, S_SPAN, S_VALUE = range(5)
S_LOW, S_REACH, S_MASK = S_ROW, S_SPAN, S_VALUE  # of a root: its bounds, and of what it is above S_LOW bits that are 0
ANYWHERE = 0xFFFF_FFFF  # a reach
STEP_REGISTER, STEP_SUM, STEP_WORD, STEP_ACCESS, STEP_DIVIDE, STEP_RANGE, STEP_PLACE = range(7)
PATIENCE = 200  # code hooks in vain before a block is translated anew; then twice as many, and so on
# entries between two goes: odd, so that what comes in turns of two, four, ... is met in all its turns
LONGEST_INTERVAL = 63
STEADY_INTERVAL = 255  # of a plan that has always told the same

# -- behind the rows: the place in LINES of each flash line + 1 (0: not there); row of each halfword of flash, then RAM
FLASH_ORIGIN, FLASH_HALFWORDS = 0x0800_0000, 1 << 20
RAM_ORIGIN, RAM_HALFWORDS = 0x2000_0000, 1 << 18
FLASH_LINE_COUNT = FLASH_HALFWORDS >> 1  # of the shortest lines, four bytes
LINE_STAMPS = ROWS + (ROW_STRIDE << ROW_BITS)
SLOT_COUNT = 256
SLOTS = LINE_STAMPS + FLASH_LINE_COUNT + 8  # what the steps of a plan have come to; the last is always 0
PLAN_NEXT = SLOTS + SLOT_COUNT  # where the next plan goes
CODES = PLAN_NEXT + 8  # a block stays within a page of 4 KB, with a line more that a stolen fetch may enter
LINES = CODES + 1032  # the lines in the instruction cache
DATA_LINES = LINES + 128  # of the data cache, the latest first
LINE_USES = DATA_LINES + 32  # when each of LINES was used last
PLANS = LINE_USES + 128
PLAN_WORDS = 1 << 20
ROW_TABLE = PLANS + PLAN_WORDS
LOOKED_AT = 1  # bit of a table entry: the row has needs; rows have even offsets
ARENA_WORDS = ROW_TABLE + FLASH_HALFWORDS + RAM_HALFWORDS
