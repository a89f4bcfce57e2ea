"""SysTick's 24-bit counter in native code (ARMv7-M ARM, B3.3): it wraps from 0 to its reload value.

The count is worked out from the cycle when it is asked for. running.py makes the exception pending when it comes to 0.
"""

# ruff: noqa: F403, F405  every capital name is a word of the board's
# mypy: disable-error-code="no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

from numba import types

from hil.machine_code import njit
from hil.targets.sim.core.priorities import look_ahead
from hil.targets.sim.core.words import *
from hil.timing.compiled.native import INTERNAL, as_words, hook

ENABLE, TICKINT, CLKSOURCE = 1, 2, 4  # of TICK_CONTROL
EXTERNAL_DIVIDER = 8  # ST feeds HCLK / 8 to the external clock input


@njit(**INTERNAL)
def _step(s):
    """CPU cycles a count."""
    return 1 if s[TICK_CONTROL] & CLKSOURCE else EXTERNAL_DIVIDER


@njit(**INTERNAL)
def _zero_after(s, cycle):
    """The next cycle at which the counter comes to 0."""
    period = (s[TICK_RELOAD] + 1) * _step(s)
    return s[TICK_ZERO_AT] + ((cycle - s[TICK_ZERO_AT]) // period + 1) * period


@njit(**INTERNAL)
def _value(s, now):
    if not s[TICK_CONTROL] & ENABLE:
        return s[TICK_HELD]
    phase = (now - s[TICK_ZERO_AT]) // _step(s) % (s[TICK_RELOAD] + 1)
    return s[TICK_RELOAD] + 1 - phase if phase != 0 else 0


@njit(**INTERNAL)
def _schedule(s, now):
    s[TICK_AT] = NEVER
    wanted = ENABLE | TICKINT
    if s[TICK_CONTROL] & wanted == wanted and s[TICK_RELOAD] != 0:
        s[TICK_PERIOD] = (s[TICK_RELOAD] + 1) * _step(s)
        s[TICK_AT] = _zero_after(s, now)
    look_ahead(s)


@njit(**INTERNAL)
def change(s, now, control, reload):
    """Other settings, with the count going on from where it is."""
    value = _value(s, now)
    s[TICK_CONTROL], s[TICK_RELOAD], s[TICK_HELD] = control, reload, value
    s[TICK_ZERO_AT] = now - (reload + 1 - value) * _step(s) if value != 0 else now
    s[TICK_SEEN] = now
    _schedule(s, now)


@njit(**INTERNAL)
def restart(s, now):
    """The count is 0."""
    s[TICK_ZERO_AT], s[TICK_HELD], s[TICK_SEEN] = now, 0, now
    _schedule(s, now)


# -- for Python to call


@hook(types.int64(types.int64, types.int64))
def count_at(state, now):
    return _value(as_words(state), now)


@hook(types.int64(types.int64, types.int64))
def zero_after(state, cycle):
    return _zero_after(as_words(state), cycle)


@hook(types.void(types.int64, types.int64, types.int64, types.int64))
def set_tick(state, now, control, reload):
    change(as_words(state), now, control, reload)


@hook(types.void(types.int64, types.int64))
def restart_tick(state, now):
    restart(as_words(state), now)
