"""The native block hook's shared state, and the part of the hook that every cost model begins with.

Unicorn calls the hook before each basic block. It is a numba `cfunc`, so it runs without Python. Everything it needs
lies in one flat uint64 array, the state: a header (the words named here), the block table (one word for each halfword
of flash and of SRAM) and the simulated board's own tables.
"""

# mypy: disable-error-code="call-arg, var-annotated"
from __future__ import annotations

import numpy as np
from numba import carray, types
from unicorn import arm_const

from hil.machine_code import njit
from hil.timing.compiled import registers
from hil.timing.compiled.native import (
    INTERNAL,
    as_integer,
    as_pointer,
    call_block,
    call_clock,
    call_read,
    call_stop,
    hook,
    load_word,
    trailing_zeros,
)

HOOK_SIGNATURE = types.void(types.voidptr, types.uint64, types.uint32, types.voidptr)
LENGTH = 1 << 26  # of the view that a hook takes on the state; only numba wants it, the array is as long as need be

# -- header: what a cost model reads and writes
CYCLES = 0  # virtual time in CPU cycles; a block is charged when the next one begins
DEADLINE = 1  # the hook looks up from its work when CYCLES reaches this
BLOCK = 2  # address of the block now running
BLOCK_SIZE = 3  # its bytes
BLOCK_START = 4  # CYCLES when it was entered
PREV_END = 5  # the address after the previous block: a block elsewhere was branched to
INSTRUCTIONS = 6
BLOCKS = 7
WAIT_STATES = 8  # FLASH_ACR.LATENCY
ART = 9  # FLASH_ACR: 1 prefetch, 2 instruction cache, 4 data cache
MODEL = 10  # sixteen words for the model

# -- header: the simulated board's
STOP = 32  # why the hook stopped the emulation, one of STOP_*
NEXT_EVENT = 33  # cycle of the next peripheral event
PENDING = 34  # an exception waits that could pre-empt what runs, if no mask register holds it back
PENDING_LEVEL = 35  # its group priority + LEVEL_BIAS
FPU_OFF = 36  # CPACR bars the FPU
DIVIDE_TRAP = 37  # CCR.DIV_0_TRP
STACK_LOW = 38  # lowest stack pointer seen
STACK_TOP = 39
STACK_LIMIT = 40  # the stack may not reach below this; 0: not known
SKIP_CHECKS = 41  # address of a block whose checks have been dealt with
EXACT_PC = 42  # set by a code hook on an instruction that reads the clock
EXACT_BLOCK = 43  # BLOCKS + 1 when it was set
SUSPECT = 44  # the check that failed: its number among the block's, or for a late one its instruction's address
CAME_FROM = 45  # PREV_END when the block was entered: just behind the branch to it
RESUMED = 46  # BLOCKS + 1 where what runs next goes on in the middle of a block: it is let go on
SKIP_STOP = 47  # address of an instruction that a debugger has stopped at and goes on from
RESUMED_START = 59  # BLOCK_START of the whole block, of which a part goes on
HELD = 58  # a reason to stop that a debugger's has come before
FN_STOP = 48  # addresses of native functions and of the callback for blocks never seen
FN_REG_READ = 49
FN_FIRST_SIGHT = 50
FLASH_ORIGIN = 52
FLASH_BYTES = 53
SRAM_ORIGIN = 54
SRAM_BYTES = 55
SRAM_TABLE = 56  # index of the block table's word for the first halfword of SRAM
REGISTERS = 60  # the address of r0 in Unicorn, 0: not known (hil.timing.compiled.registers)
COUNTS, COUNTS_SINCE = 61, 62  # whether CYCCNT counts, and the cycle at which it was 0
CLOCK_READS = 63  # of CYCCNT, that the native function served
FN_CYCLES_BEFORE = 26  # int64(state, pc): of the model, as hil.timing.cost_model.CostModel.cycles_before
FN_PRIVATE_READ = 27  # the callback for every other read of the private peripherals
FN_BREAK_OFF = 28  # void(state, pc): of the model, as hil.timing.cost_model.CostModel.break_off
FN_EMPTY_PIPELINE = 29  # void(state, 0): of the model: what comes next arrives as if after a branch; nothing runs
ENTRY_CYCLES, RETURN_CYCLES, TAIL_CHAIN_CYCLES = 64, 65, 66  # of exceptions
BOARD = 68  # what the simulated board keeps for itself (hil.targets.sim.core.words)
TABLE = 768  # index of the block table's first word: two for each halfword of flash, of which the other says where
# the block's checks begin, so that both are in one line of this computer's cache

# -- a block's word: instructions | bytes << 16 | flags << 32; 0: never seen
INSTRUCTIONS_MASK = 0xFFFF
SIZE_SHIFT, SIZE_MASK = 16, 0xFFFF
FLAG_CHECKS = 1 << 32  # has words in the check table
FLAG_FPU = 1 << 33  # uses the FPU
FLAG_SPIN = 1 << 34  # branches to itself and does nothing else
FLAGS = FLAG_CHECKS | FLAG_FPU | FLAG_SPIN

# -- reasons in STOP
STOP_NONE, STOP_EVENT, STOP_EXCEPTION, STOP_FPU, STOP_CHECK, STOP_SPIN, STOP_STACK, STOP_LATE, STOP_HOST, STOP_MODEL = (
    range(10)
)
STOP_REWRITING = 11  # code, for too long
STOP_DEBUG = 10  # SUSPECT: the instruction to stop before; where it is another, the hook stops at the next block

# -- a check: kind | signed offset << 8 (24 bits) | coefficients of r0 to pc << 32 (2 bits each)
# tested are the registers at the block's entry, or for a late check at the instruction
CHECK_ALIGNED, CHECK_DIVISOR, CHECK_STACK = 1, 2, 3
_PRIMASK, _FAULTMASK, _BASEPRI = (
    arm_const.UC_ARM_REG_PRIMASK,
    arm_const.UC_ARM_REG_FAULTMASK,
    arm_const.UC_ARM_REG_BASEPRI,
)
_R0, _SP, _LR, _PC = (
    arm_const.UC_ARM_REG_R0,
    arm_const.UC_ARM_REG_SP,
    arm_const.UC_ARM_REG_LR,
    arm_const.UC_ARM_REG_PC,
)
_CONTROL = arm_const.UC_ARM_REG_CONTROL
LEVEL_BIAS = 256  # keeps the levels of NMI (-2) and HardFault (-1) positive


@njit(**INTERNAL)
def stop(uc, s, reason):  # type: ignore[no-untyped-def]
    """End emu_start before the block whose hook this is."""
    s[STOP] = np.uint64(reason)
    call_stop(np.int64(s[FN_STOP]), as_integer(uc))


@njit(**INTERNAL)
def read_register(uc, s, register):  # type: ignore[no-untyped-def]
    """A core register as uint32, by Unicorn's id."""
    function, places = np.int64(s[FN_REG_READ]), np.int64(s[REGISTERS])
    return np.uint32(registers.read_register(function, places, 0, as_integer(uc), np.int64(register)))


@njit(**INTERNAL)
def table_index(s, address):  # type: ignore[no-untyped-def]
    """Where the block table keeps the word for an address; 0 for one outside flash, its alias at 0 and SRAM."""
    offset = np.uint64(address) - s[FLASH_ORIGIN]
    if offset < s[FLASH_BYTES]:
        return np.uint64(TABLE) + (offset & ~np.uint64(1))
    offset = np.uint64(address) - s[SRAM_ORIGIN]
    if offset < s[SRAM_BYTES]:
        return s[SRAM_TABLE] + (offset & ~np.uint64(1))
    if np.uint64(address) < s[FLASH_BYTES]:
        return np.uint64(TABLE) + (np.uint64(address) & ~np.uint64(1))
    return np.uint64(0)


@njit(**INTERNAL)
def _is_masked(uc, s):  # type: ignore[no-untyped-def]
    level = np.int64(s[PENDING_LEVEL]) - LEVEL_BIAS
    if level == -2:
        return False
    if read_register(uc, s, _FAULTMASK) & 1:
        return True
    if level < 0:
        return False
    if read_register(uc, s, _PRIMASK) & 1:
        return True
    base = np.int64(read_register(uc, s, _BASEPRI))
    return base != 0 and level >= base


@njit(**INTERNAL)
def _needs_attention(uc, s):  # type: ignore[no-untyped-def]
    if s[RESUMED] == s[BLOCKS] + np.uint64(1):
        return False
    if s[STOP] != STOP_NONE:  # a stop that an IT block held up
        stop(uc, s, s[STOP])
        return True
    if s[CYCLES] >= s[NEXT_EVENT]:
        stop(uc, s, STOP_EVENT)
        return True
    if s[PENDING] != 0 and not _is_masked(uc, s):
        stop(uc, s, STOP_EXCEPTION)
        return True
    return False


@njit(**INTERNAL)
def _core_register(uc, s, number):  # type: ignore[no-untyped-def]
    """r0 to pc by number, as int64: from its place if that is known (hil.timing.compiled.registers)."""
    places = np.int64(s[REGISTERS])
    if places != 0 and number < 15:
        return load_word(places + 4 * number)
    register = _R0 + number if number < 13 else (_SP if number == 13 else (_LR if number == 14 else _PC))
    return np.int64(read_register(uc, s, register))


@njit(**INTERNAL)
def _sum_of_registers(uc, s, coefficients):  # type: ignore[no-untyped-def]
    """Registers times their two-bit coefficients, int64, added up."""
    total = np.int64(0)
    while coefficients != 0:
        place = trailing_zeros(coefficients) & ~1
        total += ((coefficients >> place) & 3) * _core_register(uc, s, place >> 1)
        coefficients &= ~(np.int64(3) << place)
    return np.uint32(total)


@njit(**INTERNAL)
def _fails(uc, s, check):  # type: ignore[no-untyped-def]
    kind = check & np.uint64(0xFF)
    if kind == CHECK_DIVISOR and s[DIVIDE_TRAP] == 0:
        return False
    is_stack = kind == CHECK_STACK
    register = read_register(uc, s, _SP) if is_stack else _sum_of_registers(uc, s, np.int64(check >> np.uint64(32)))
    value = np.uint32(register + np.uint32(np.int32(np.uint32(check)) >> np.int32(8)))
    if kind == CHECK_ALIGNED:
        return (value & np.uint32(3)) != 0
    if kind == CHECK_DIVISOR:
        return register == 0
    inside = np.uint64(register) <= s[STACK_TOP] and np.uint64(register) >= s[STACK_LIMIT]
    if inside and np.int64(np.int32(value)) < np.int64(s[STACK_LOW]):
        s[STACK_LOW] = np.uint64(value)
    return inside and s[STACK_LIMIT] != 0 and value < s[STACK_LIMIT]


@njit(**INTERNAL)
def _failing(uc, s, first):  # type: ignore[no-untyped-def]
    """Which of a block's checks, whose number stands at `first`, is the first to fail; -1: none."""
    for k in range(np.int64(s[first])):
        if _fails(uc, s, s[first + np.uint64(1) + np.uint64(k)]):
            return k
    return -1


@njit(**INTERNAL)
def _objects(uc, s, entry, index, address):  # type: ignore[no-untyped-def]
    """Whether something that Unicorn does not check itself keeps the block from running; then it has been stopped."""
    if s[SKIP_CHECKS] == address:
        s[SKIP_CHECKS] = np.uint64(1)
        return False
    if entry & np.uint64(FLAG_FPU) and s[FPU_OFF] != 0:
        stop(uc, s, STOP_FPU)
        return True
    if entry & np.uint64(FLAG_SPIN):
        stop(uc, s, STOP_SPIN)
        return True
    if entry & np.uint64(FLAG_CHECKS):
        first = s[index + np.uint64(1)]
        k = _failing(uc, s, first)
        if k >= 0:
            s[SUSPECT] = np.uint64(k)
            check = s[first + np.uint64(1) + np.uint64(k)]
            stop(uc, s, STOP_STACK if check & np.uint64(0xFF) == CHECK_STACK else STOP_CHECK)
            return True
    return False


@njit(**INTERNAL)
def note(s, address, size, instructions):  # type: ignore[no-untyped-def]
    """A block begins to run."""
    s[BLOCK] = np.uint64(address)
    s[BLOCK_SIZE] = np.uint64(size)
    s[BLOCK_START] = s[CYCLES]
    s[CAME_FROM] = s[PREV_END]
    s[INSTRUCTIONS] += np.uint64(instructions)
    s[BLOCKS] += np.uint64(1)


@njit(**INTERNAL)
def enter(uc, s, address, size):  # type: ignore[no-untyped-def]
    """The first half of every block hook: deadline, exceptions, first sight, checks, book-keeping.

    s[CYCLES] must be up to date. Returns the block's word, or 0 where the emulation has been stopped before the block
    and nothing may be charged. The hook then sets s[PREV_END] = address + size.
    """
    if s[CYCLES] >= s[DEADLINE] and _needs_attention(uc, s):
        return np.uint64(0)
    index = table_index(s, address)
    entry = s[index]
    if ((entry >> np.uint64(SIZE_SHIFT)) & np.uint64(SIZE_MASK)) != size:
        call_block(np.int64(s[FN_FIRST_SIGHT]), np.int64(address), np.int64(size))
        if s[STOP] != STOP_NONE:
            stop(uc, s, s[STOP])
            return np.uint64(0)
        entry = s[index]
    if entry & np.uint64(FLAGS) and _objects(uc, s, entry, index, np.uint64(address)):
        return np.uint64(0)
    note(s, address, size, entry & np.uint64(INSTRUCTIONS_MASK))
    return entry


@njit(**INTERNAL)
def known(s, address, entry):  # type: ignore[no-untyped-def]
    """What of a block that has been entered a model may keep for may_run(); 0: nothing. entry: what enter() said."""
    if entry & np.uint64(FLAG_SPIN):
        return np.uint64(0)
    first = s[table_index(s, address) + np.uint64(1)] if entry & np.uint64(FLAG_CHECKS) else np.uint64(0)
    return np.uint64(1) | (np.uint64(2) if entry & np.uint64(FLAG_FPU) else np.uint64(0)) | first << np.uint64(2)


@njit(**INTERNAL)
def may_run(uc, s, known, now):  # type: ignore[no-untyped-def]
    """Whether nothing keeps a block of which that is known from running at a cycle: then note() does for enter().

    The block table is not looked at, whose lines this computer would have to fetch into its cache.
    """
    if now >= s[DEADLINE] or (known & np.uint64(2) and s[FPU_OFF] != 0):
        return False
    first = known >> np.uint64(2)
    return first == 0 or (s[SKIP_CHECKS] == np.uint64(1) and _failing(uc, s, first) < 0)


_CYCCNT = 0x1004  # from the start of the private peripherals
PATIENT_READS = 256  # of CYCCNT, of which the last is left to the callback, which counts for how long that goes on


@hook(types.uint64(types.voidptr, types.uint64, types.uint32, types.voidptr))
def on_private_read(uc, offset, size, user_data):  # type: ignore[no-untyped-def]
    """uc_cb_mmio_read_t of the private peripherals; user data is the state. CYCCNT is read without Python if it counts.

    Its instruction must have a hook of its own (on_clock_access), and may not be unprivileged.
    """
    s = carray(user_data, (LENGTH,), np.uint64)
    if offset == _CYCCNT and size == 4 and s[COUNTS] != 0 and s[EXACT_BLOCK] == s[BLOCKS]:
        s[CLOCK_READS] += np.uint64(1)
        if s[CLOCK_READS] % np.uint64(PATIENT_READS) != 0 and read_register(uc, s, _CONTROL) & 1 == 0:
            s[EXACT_BLOCK] = np.uint64(0)
            start = np.int64(s[BLOCK_START]) - np.int64(s[COUNTS_SINCE])
            before = call_clock(np.int64(s[FN_CYCLES_BEFORE]), as_integer(user_data), np.int64(s[EXACT_PC]))
            return np.uint64((start + before) & 0xFFFF_FFFF)
    function = np.int64(s[FN_PRIVATE_READ])
    return np.uint64(call_read(function, as_integer(uc), np.int64(offset), np.int64(size), as_integer(user_data)))


@hook(HOOK_SIGNATURE)
def on_clock_access(uc, address, size, user_data):  # type: ignore[no-untyped-def]
    """A code hook on one instruction: note its address, so that a clock it reads can tell the cycle it is read at."""
    s = carray(user_data, (LENGTH,), np.uint64)
    s[EXACT_PC] = address
    s[EXACT_BLOCK] = s[BLOCKS]


@hook(HOOK_SIGNATURE)
def on_late_check(uc, address, size, user_data):  # type: ignore[no-untyped-def]
    """A code hook on one instruction: user_data is the address of two words, the state's address and the check."""
    words = carray(user_data, (2,), np.uint64)
    s = carray(as_pointer(np.int64(words[0])), (LENGTH,), np.uint64)
    if s[SKIP_CHECKS] == address:
        s[SKIP_CHECKS] = np.uint64(1)
    elif _fails(uc, s, words[1]):
        s[SUSPECT] = address
        s[DEADLINE] = np.uint64(0)  # under an IT Unicorn takes a stop back: the next block's hook repeats it
        stop(uc, s, STOP_LATE)
