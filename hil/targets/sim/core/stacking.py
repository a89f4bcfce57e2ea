"""Exception entry and return in native code (ARMv7-M ARM, B1.5.6 to B1.5.8): stacking with the FPU's part, both stacks.

The FPU's registers are stacked at entry even with lazy stacking on: what a program can see of it is the same. Neither
costs cycles here: spend() is the caller's.
"""

# ruff: noqa: F403, F405  every capital name is a word of the board's
# mypy: disable-error-code="no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

from numba import types
from unicorn import arm_const as uc_arm

from hil.machine_code import njit
from hil.targets.sim.core.priorities import NMI, following, level_of, masked_level, put, settle_line
from hil.targets.sim.core.words import *
from hil.timing.compiled.blockhook import (
    CYCLES,
    FN_EMPTY_PIPELINE,
    FN_REG_READ,
    STACK_LIMIT,
    STACK_LOW,
)
from hil.timing.compiled.native import (
    INTERNAL,
    as_words,
    call_block,
    call_reg_read,
    call_reg_write,
    hook,
    load_word,
    store_word,
)

BASIC_BYTES, EXTENDED_BYTES = 32, 104
NO_VECTOR = -1  # no memory where the vector table should have it
FRAME_LOST = 1 << 32  # beside the vector: there was no memory for the frame
# what leave() comes to: the context is back; another handler has been entered; the return is none, for two reasons;
# there is no memory where the frame should be
LEFT, CHAINED, NOT_ACTIVE, BAD_RETURN, NO_FRAME = range(5)

_R0, _S0, _FPSCR = uc_arm.UC_ARM_REG_R0, uc_arm.UC_ARM_REG_S0, uc_arm.UC_ARM_REG_FPSCR
_R12, _LR, _SP, _PSP = uc_arm.UC_ARM_REG_R12, uc_arm.UC_ARM_REG_LR, uc_arm.UC_ARM_REG_SP, uc_arm.UC_ARM_REG_PSP
_XPSR, _XPSR_WRITE = uc_arm.UC_ARM_REG_XPSR, uc_arm.UC_ARM_REG_XPSR_NZCVQG
_CONTROL, _FAULTMASK = uc_arm.UC_ARM_REG_CONTROL, uc_arm.UC_ARM_REG_FAULTMASK
_NPRIV, _SPSEL, _FPCA = 1, 2, 4
_SFPA = 8  # Unicorn's M4 believes that it has the security extension and is in its secure state
_XPSR_ALIGNED, _XPSR_THUMB, _XPSR_FLAGS = 1 << 9, 1 << 24, 0xF80F_0000
_FLOATS = 16
_MASK = 0xFFFF_FFFF


@njit(**INTERNAL)
def read(s, register):
    return call_reg_read(s[FN_REG_READ], s[UC], register) & _MASK


@njit(**INTERNAL)
def write(s, register, value):
    call_reg_write(s[FN_REG_WRITE], s[UC], register, value & _MASK)


@njit(**INTERNAL)
def _place_in(s, region, address, size):
    if s[region] <= address and address + size <= s[region + 1]:
        return s[region + 2] + address - s[region]
    return 0


@njit(**INTERNAL)
def ram_at(s, address, size):
    """Where a stretch of RAM lies in this process; 0: there is none."""
    for k in range(MOST_RAMS):
        place = _place_in(s, REGIONS + REGION_WORDS * k, address, size)
        if place != 0:
            return place
    return 0


@njit(**INTERNAL)
def vector_of(s, exception):
    """What the vector table has for an exception, or NO_VECTOR."""
    address = s[VECTORS] + 4 * exception
    flash = s[FLASH_REGION + 1] - s[FLASH_REGION]
    if address + 4 <= flash:  # flash shows at 0, too
        address += s[FLASH_REGION]
    place = ram_at(s, address, 4)
    if place == 0:
        place = _place_in(s, FLASH_REGION, address, 4)
    return load_word(place) if place != 0 else NO_VECTOR


@njit(**INTERNAL)
def frame_for(s):
    """Address and bytes of the frame that an exception would make now."""
    size = EXTENDED_BYTES if read(s, _CONTROL) & _FPCA else BASIC_BYTES
    address = read(s, _SP) - size
    return (address & ~4 if s[ALIGNS_STACK] else address) & _MASK, size


@njit(**INTERNAL)
def frame_to_leave(s, value):
    """Address and bytes of the frame that a return by EXC_RETURN takes back."""
    size = BASIC_BYTES if value & 0x10 else EXTENDED_BYTES
    return read(s, _PSP if value & 4 else _SP), size


@njit(**INTERNAL)
def spend(s, cycles):
    """Charge a step of an exception, behind which the pipeline starts anew. cycles: the word of its cycles."""
    call_block(s[FN_EMPTY_PIPELINE], s[STATE], 0)
    s[CYCLES] += s[cycles]


@njit(**INTERNAL)
def _store_context(s, place, size, return_address, is_aligned):
    for k in range(4):
        store_word(place + 4 * k, read(s, _R0 + k))
    store_word(place + 16, read(s, _R12))
    store_word(place + 20, read(s, _LR))
    store_word(place + 24, return_address)
    store_word(place + 28, (read(s, _XPSR) & ~_XPSR_ALIGNED) | (_XPSR_ALIGNED if is_aligned else 0))
    if size == EXTENDED_BYTES:
        for k in range(_FLOATS):
            store_word(place + 32 + 4 * k, read(s, _S0 + k))
        store_word(place + 96, read(s, _FPSCR))
        store_word(place + 100, 0)


@njit(**INTERNAL)
def _load_context(s, place, size):
    """Returns the address to go on at and the status; the stack pointer is not among what is restored."""
    for k in range(4):
        write(s, _R0 + k, load_word(place + 4 * k))
    write(s, _R12, load_word(place + 16))
    write(s, _LR, load_word(place + 20))
    if size == EXTENDED_BYTES:
        for k in range(_FLOATS):
            write(s, _S0 + k, load_word(place + 32 + 4 * k))
        write(s, _FPSCR, load_word(place + 96))
    return load_word(place + 24), load_word(place + 28)


@njit(**INTERNAL)
def _enter_handler(s, exception, control):
    """Handler mode, main stack. Returns the vector."""
    xpsr = read(s, _XPSR)
    write(s, _CONTROL, control & _NPRIV)  # before IPSR: SPSEL is read-only in handlers
    write(s, _XPSR_WRITE, xpsr & _XPSR_FLAGS | _XPSR_THUMB | exception)
    put(s, PENDING_SET, exception, False)
    s[ACTIVE + s[ACTIVE_COUNT]] = exception
    s[ACTIVE_COUNT] = min(s[ACTIVE_COUNT] + 1, MOST_ACTIVE - 1)
    return vector_of(s, exception)


@njit(**INTERNAL)
def take(s, exception, return_address):
    """Stack the context and enter the handler. Returns its vector and FRAME_LOST, or NO_VECTOR."""
    control = read(s, _CONTROL)
    pointer = read(s, _SP)
    address, size = frame_for(s)
    place = ram_at(s, address, size)
    if place != 0:
        _store_context(s, place, size, return_address, (pointer - address) & _MASK != size)
    if s[STACK_LIMIT] <= address < s[STACK_LOW]:
        s[STACK_LOW] = address
    top = FRAMES + 2 * s[FRAME_COUNT]
    s[top], s[top + 1] = address, size
    s[FRAME_COUNT] = min(s[FRAME_COUNT] + 1, MOST_ACTIVE - 1)
    value = 0xFFFF_FFF1 if s[ACTIVE_COUNT] else (0xFFFF_FFFD if control & _SPSEL else 0xFFFF_FFF9)
    write(s, _SP, address)
    write(s, _LR, value if size == BASIC_BYTES else value & ~0x10)
    vector = _enter_handler(s, exception, control)
    return vector if place != 0 or vector == NO_VECTOR else vector | FRAME_LOST


@njit(**INTERNAL)
def is_return(s, value, outer):
    """Whether EXC_RETURN is one that the core takes, with so many handlers around the one that returns."""
    known = value == 0xFFFF_FFF1 or value == 0xFFFF_FFF9 or value == 0xFFFF_FFFD
    known |= value == 0xFFFF_FFE1 or value == 0xFFFF_FFE9 or value == 0xFFFF_FFED
    return known and (value & 8 == 0) == (outer > 0)


@njit(**INTERNAL)
def leave(s, value):
    """Return from the innermost exception by EXC_RETURN. PC: where to go on, or the vector of what is chained to."""
    if s[ACTIVE_COUNT] == 0:
        return NOT_ACTIVE
    s[ACTIVE_COUNT] -= 1
    ended = s[ENDED] = s[ACTIVE + s[ACTIVE_COUNT]]
    settle_line(s, ended)
    if ended != NMI:
        write(s, _FAULTMASK, 0)
    if not is_return(s, value, s[ACTIVE_COUNT]):
        return BAD_RETURN
    other = following(s)
    if other != 0 and level_of(s, other) < masked_level(s, False):
        write(s, _LR, value)
        s[PC] = _enter_handler(s, other, read(s, _CONTROL))
        return CHAINED
    address, size = frame_to_leave(s, value)
    place = ram_at(s, address, size)
    if place == 0:
        return NO_FRAME
    s[FRAME_COUNT] = max(0, s[FRAME_COUNT] - 1)
    back, xpsr = _load_context(s, place, size)
    write(s, _PSP if value & 4 else _SP, address + size + (4 if xpsr & _XPSR_ALIGNED else 0))
    write(s, _XPSR_WRITE, xpsr & ~_XPSR_ALIGNED)
    control = read(s, _CONTROL) & _NPRIV
    control |= (_FPCA | _SFPA if size == EXTENDED_BYTES else 0) | (_SPSEL if value & 4 else 0)
    write(s, _CONTROL, control)
    s[PC] = back & ~1
    return LEFT


# -- for Python to call


@hook(types.int64(types.int64, types.int64, types.int64))
def take_exception(state, exception, return_address):
    return take(as_words(state), exception, return_address)


@hook(types.int64(types.int64, types.int64))
def leave_exception(state, value):
    return leave(as_words(state), value)


@hook(types.void(types.int64, types.int64))
def spend_step(state, cycles):
    spend(as_words(state), cycles)
