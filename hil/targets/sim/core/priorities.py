"""Which exception may pre-empt what runs, in native code (ARMv7-M ARM, B1.5.4; four priority bits, as ST has it)."""

# ruff: noqa: F403, F405  every capital name is a word of the board's
# mypy: disable-error-code="no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

from numba import types
from unicorn import arm_const as uc_arm

from hil.machine_code import njit
from hil.targets.sim.core.words import *
from hil.timing.compiled.blockhook import DEADLINE, FN_REG_READ, LEVEL_BIAS, NEXT_EVENT, PENDING, PENDING_LEVEL
from hil.timing.compiled.native import INTERNAL, as_words, call_reg_read, hook

NMI, HARD_FAULT = 2, 3
THREAD_LEVEL = 256  # below every exception
_PRIMASK, _FAULTMASK = uc_arm.UC_ARM_REG_PRIMASK, uc_arm.UC_ARM_REG_FAULTMASK
_BASEPRI = uc_arm.UC_ARM_REG_BASEPRI


@njit(**INTERNAL)
def has(s, set_, exception):
    """Whether an exception is in one of the sets ENABLED, PENDING_SET, LINES."""
    return s[set_ + (exception >> 6)] >> (exception & 63) & 1 != 0


@njit(**INTERNAL)
def put(s, set_, exception, is_in):
    """Put an exception into a set, or take it out."""
    bit = 1 << (exception & 63)
    word = set_ + (exception >> 6)
    s[word] = s[word] | bit if is_in else s[word] & ~bit


@njit(**INTERNAL)
def _rank(s, exception):
    """Of two that wait, the lower goes first."""
    if exception in (NMI, HARD_FAULT):
        return exception - 4
    return s[PRIORITIES + (exception >> 3)] >> (exception & 7) * 8 & 0xFF


@njit(**INTERNAL)
def level_of(s, exception):
    """Group priority: lower pre-empts higher."""
    rank = _rank(s, exception)
    return rank if rank < 0 else rank & s[GROUP_MASK]


@njit(**INTERNAL)
def running_level(s):
    """Group priority of what runs, without the mask registers."""
    level = THREAD_LEVEL
    for k in range(s[ACTIVE_COUNT]):
        level = min(level, level_of(s, s[ACTIVE + k]))
    return level


@njit(**INTERNAL)
def is_active(s, exception):
    found = False
    for k in range(s[ACTIVE_COUNT]):
        found |= s[ACTIVE + k] == exception
    return found


@njit(**INTERNAL)
def following(s):
    """The pending, enabled exception of highest priority, if it could pre-empt what runs but for the masks; else 0."""
    best = 0
    for word in range(2):
        waiting = s[PENDING_SET + word] & s[ENABLED + word]
        number = 64 * word
        while waiting != 0:
            if waiting & 1 and (best == 0 or _rank(s, number) < _rank(s, best)):
                best = number
            waiting = waiting >> 1 & 0x7FFF_FFFF_FFFF_FFFF
            number += 1
    return best if best != 0 and level_of(s, best) < running_level(s) else 0


@njit(**INTERNAL)
def _register(s, register):
    return call_reg_read(s[FN_REG_READ], s[UC], register)


@njit(**INTERNAL)
def masked_level(s, to_wake):
    """The group priority that a new exception must be below, the mask registers included.

    to_wake: to end a sleep, of which PRIMASK does not keep it (ARMv7-M ARM, B1.5.18).
    """
    level = running_level(s)
    base = _register(s, _BASEPRI) & 0xF0
    if base != 0:
        level = min(level, base & s[GROUP_MASK])
    if not to_wake and _register(s, _PRIMASK) & 1:
        level = min(level, 0)
    return min(level, -1) if _register(s, _FAULTMASK) & 1 else level


@njit(**INTERNAL)
def look_ahead(s):
    """Tell the block hook when it must look up: at the next event's cycle, or at once where an exception waits."""
    waiting = following(s)
    s[NEXT_EVENT] = min(s[EVENT], s[TICK_AT], s[END_AT], s[UNTIL], s[BUSY_SINCE] + s[LONGEST_BUSY])
    s[PENDING] = waiting != 0
    s[DEADLINE] = s[NEXT_EVENT]
    if waiting != 0:
        s[PENDING_LEVEL] = level_of(s, waiting) + LEVEL_BIAS
        s[DEADLINE] = 0


@njit(**INTERNAL)
def settle_line(s, exception):
    """A line that is still high makes its interrupt pending again."""
    if has(s, LINES, exception) and not is_active(s, exception):
        put(s, PENDING_SET, exception, True)


# -- for Python to call

_ASK = types.int64(types.int64)


@hook(_ASK)
def next_exception(state):
    return following(as_words(state))


@hook(types.int64(types.int64, types.int64))
def level_now(state, to_wake):
    return masked_level(as_words(state), to_wake != 0)


@hook(types.void(types.int64))
def set_deadline(state):
    look_ahead(as_words(state))
