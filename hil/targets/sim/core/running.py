"""The core runs on in native code for as long as only exceptions, SysTick and sleep stop it.

Whatever is not as plain as that (a fault, a peripheral's event, a handler that somebody watches) is left to Python
before anything of it has been done.
"""

# ruff: noqa: F403, F405  every capital name is a word of the board's
# mypy: disable-error-code="no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

import numpy as np
from numba import carray, types
from unicorn import arm_const as uc_arm

from hil.machine_code import njit
from hil.targets.sim.core.priorities import HARD_FAULT, following, has, level_of, look_ahead, masked_level, put
from hil.targets.sim.core.stacking import (
    frame_for,
    frame_to_leave,
    is_return,
    leave,
    ram_at,
    read,
    spend,
    take,
    vector_of,
)
from hil.targets.sim.core.words import *
from hil.timing.compiled.blockhook import (
    BLOCK,
    BLOCK_SIZE,
    CYCLES,
    ENTRY_CYCLES,
    EXACT_BLOCK,
    FN_BREAK_OFF,
    FN_STOP,
    HELD,
    INSTRUCTIONS,
    RETURN_CYCLES,
    STOP,
    STOP_EVENT,
    STOP_EXCEPTION,
    STOP_NONE,
)
from hil.timing.compiled.native import (
    INTERNAL,
    as_integer,
    as_pointer,
    as_words,
    call_block,
    call_start,
    call_stop,
    hook,
)

# why run() returns
DUE = 1  # the cycle has come that EVENT, UNTIL or MUST_END says
STOPPED = 2  # the core has, for something that is not seen to here
TAKE = 3  # an exception comes whose entry is no plain one
RUNAWAY = 4  # it has been busy for too long
NEVER_SLEEPS = 5  # it has been woken too often by what does not run
READY = 6  # of look(): it can go on
_AGAIN = 7

SYS_TICK = 15
USAGE_FAULT = 6
_RETURN = 1 + 8  # INTERRUPT of an exception return
_PC, _XPSR = uc_arm.UC_ARM_REG_PC, uc_arm.UC_ARM_REG_XPSR
_THUMB = 1 << 24


@njit(**INTERNAL)
def _tick(s):
    """SysTick has come to 0 as often as it has by now."""
    while s[TICK_AT] <= s[CYCLES]:
        put(s, PENDING_SET, SYS_TICK, True)
        s[TICK_AT] += s[TICK_PERIOD]


@njit(**INTERNAL)
def _end_transfer(s):
    """A DMA stream's transfer is over: the last bytes are taken, and its interrupt's line goes high."""
    if s[END_AT] > s[CYCLES]:
        return
    source = carray(as_pointer(ram_at(s, s[END_FROM], s[END_BYTES])), (MOST_KEPT,), np.uint8)
    kept = carray(as_pointer(s[STATE] + 8 * END_KEPT), (MOST_KEPT,), np.uint8)
    for k in range(s[END_BYTES]):
        kept[k] = source[k]
    s[END_AT], s[END_BYTES] = NEVER, 0
    if not has(s, LINES, s[END_LINE]):
        put(s, PENDING_SET, s[END_LINE], True)
        put(s, LINES, s[END_LINE], True)


@njit(**INTERNAL)
def _is_plain(s, exception):
    """Whether there is nothing but the entry to it: a frame, a handler, nobody who watches, no storm."""
    address, size = frame_for(s)
    vector = vector_of(s, exception)
    is_stormy = s[STREAK] + 1 >= WITHOUT_PROGRESS or s[RESTLESS] + 1 >= WITHOUT_REST
    is_stormy |= (s[UNHEARD] + 1) % WITHOUT_REST == 0
    return vector > 0 and vector & 1 and ram_at(s, address, size) != 0 and not is_stormy and s[IS_WATCHED] == 0


@njit(**INTERNAL)
def _enter(s, exception):
    s[PC] = take(s, exception, s[PC]) & ~1
    spend(s, ENTRY_CYCLES)
    has_progressed = s[LEFT_AT] != 0 and s[INSTRUCTIONS] >= s[LEFT_AT]
    s[STREAK] = 1 if has_progressed else s[STREAK] + 1
    s[RESTLESS] += 1
    s[UNHEARD] += 1
    s[LEFT_AT] = s[AWAKE] = s[SLEEPS] = 0
    s[HAS_EVENT] = 1


@njit(**INTERNAL)
def _look(s):
    """See to what is due between two runs of the core."""
    _tick(s)
    _end_transfer(s)
    if s[CYCLES] >= min(s[EVENT], s[UNTIL], s[MUST_END]):
        return DUE
    waiting = following(s)
    if waiting != 0:
        level = level_of(s, waiting)
        if level < masked_level(s, False):
            if not _is_plain(s, waiting):
                return TAKE
            _enter(s, waiting)
        elif s[SLEEPS] and level < masked_level(s, True):
            s[SLEEPS] = 0
            s[AWAKE] += 1
            if s[AWAKE] >= MOST_AWAKE:
                return NEVER_SLEEPS
    if s[SLEEPS]:
        now = max(s[CYCLES], min(s[EVENT], s[TICK_AT], s[END_AT], s[UNTIL], s[MUST_END]))
        s[SLEPT] += now - s[CYCLES]
        s[CYCLES] = s[BUSY_SINCE] = now
        return _AGAIN
    if s[CYCLES] >= s[BUSY_SINCE] + s[LONGEST_BUSY]:
        return RUNAWAY
    look_ahead(s)
    return READY


@njit(**INTERNAL)
def _look_until_awake(s):
    why = _look(s)
    while why == _AGAIN:
        why = _look(s)
    return why


@njit(**INTERNAL)
def _start(s):
    """One uc_emu_start, from PC to STOP_AT at the latest."""
    s[STOP] = s[HELD]
    s[HELD] = STOP_NONE
    s[EXACT_BLOCK] = s[INTERRUPT] = s[TRAPPED] = 0
    s[CODE] = call_start(s[FN_START], s[UC], s[PC] | 1, s[STOP_AT])
    s[PC] = read(s, _PC)


@njit(**INTERNAL)
def _fall_asleep(s):
    """WFI. Whether the block is over with it."""
    if s[PC] == s[STOP_AT] or s[BLOCK] <= s[PC] < s[BLOCK] + s[BLOCK_SIZE]:
        return False
    call_block(s[FN_BREAK_OFF], s[STATE], s[PC])
    s[SLEEPS], s[ASLEEP_SINCE] = 1, s[CYCLES]
    s[NAPS] += 1
    s[STREAK] = s[RESTLESS] = 0
    return True


@njit(**INTERNAL)
def _return(s):
    """An exception return. Whether it is a plain one: to its frame, of no fault's handler, with nobody who watches."""
    value, outer = s[PC] | 0xFFFF_FF01, s[ACTIVE_COUNT] - 1
    if outer < 0 or s[IS_WATCHED] or not is_return(s, value, outer):
        return False
    if HARD_FAULT <= s[ACTIVE + outer] <= USAGE_FAULT:
        return False
    for k in range(2):
        if (s[PENDING_SET + k] | s[LINES + k]) & s[ENABLED + k]:
            return False  # another may follow at once
    address, size = frame_to_leave(s, value)
    if ram_at(s, address, size) == 0:
        return False
    call_block(s[FN_BREAK_OFF], s[STATE], s[PC])
    leave(s, value)
    spend(s, RETURN_CYCLES)
    s[HAS_EVENT] = 1
    if outer == 0:
        s[LEFT_AT] = s[INSTRUCTIONS] + 1
        if s[SLEEPS_ON_EXIT]:
            s[SLEEPS], s[ASLEEP_SINCE] = 1, s[CYCLES]
    return True


@njit(**INTERNAL)
def _is_seen_to(s):
    """Deal with why the core stopped. False: that is Python's."""
    if s[CODE] or s[TRAPPED]:
        return False
    if s[STOP] == STOP_EVENT or s[STOP] == STOP_EXCEPTION:
        return read(s, _XPSR) & _THUMB != 0
    if s[STOP] != STOP_NONE:
        return False
    if s[INTERRUPT]:
        return s[INTERRUPT] == _RETURN and _return(s)
    return _fall_asleep(s)


@hook(types.int64(types.int64))
def run(state):
    """Run the core until there is something for Python to see to; PC is where it goes on."""
    s = as_words(state)
    while True:
        if s[PHASE] == PHASE_LOOK:
            why = _look_until_awake(s)
            if why != READY:
                return why
        s[PHASE] = PHASE_LOOK
        _start(s)
        if not _is_seen_to(s):
            return STOPPED


@hook(types.int64(types.int64))
def look(state):
    """As run(), up to where the core would go on."""
    return _look_until_awake(as_words(state))


@hook(types.void(types.int64))
def run_once(state):
    """Run the core until it stops, for whatever."""
    _start(as_words(state))


@hook(types.void(types.voidptr, types.uint32, types.voidptr))
def on_interrupt(uc, number, user_data):
    """uc_cb_hookintr_t; user data is the state."""
    s = as_words(as_integer(user_data))
    s[INTERRUPT] = 1 + number
    call_stop(s[FN_STOP], as_integer(uc))
