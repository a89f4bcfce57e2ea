"""Loads and stores of registers that need no Python: interrupt enables, SysTick's period, the DMA's streams, pins.

These are Unicorn's callbacks for the areas of the registers that firmwares use most. What is not as plain as that is
handed to the callback in Python, before anything of it has been done; so is every MOST_SERVED-th use, for Python counts
how long a program does nothing but use registers (hil.targets.sim.peripherals.patience).
"""

# ruff: noqa: F403, F405  every capital name is a word of the board's
# mypy: disable-error-code="no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

import numpy as np
from numba import types
from unicorn import arm_const as uc_arm

from hil.machine_code import njit
from hil.targets.sim.core.priorities import look_ahead, put
from hil.targets.sim.core.ticking import change, restart
from hil.targets.sim.core.words import *
from hil.timing.compiled.blockhook import (
    BLOCK_START,
    BLOCKS,
    EXACT_BLOCK,
    EXACT_PC,
    FN_CYCLES_BEFORE,
    FN_REG_READ,
    RESUMED,
    RESUMED_START,
)
from hil.timing.compiled.native import (
    INTERNAL,
    as_integer,
    as_words,
    call_clock,
    call_read,
    call_reg_read,
    call_write,
    hook,
)

_READ = types.uint64(types.voidptr, types.uint64, types.uint32, types.voidptr)
_WRITE = types.void(types.voidptr, types.uint64, types.uint32, types.uint64, types.voidptr)
_CONTROL = uc_arm.UC_ARM_REG_CONTROL

# -- the private peripherals, from 0xE0000000
_LOAD, _VAL = 0xE014, 0xE018
_ISER, _ICER, _SET_BYTES = 0xE100, 0xE180, 12  # of 96 interrupts


@njit(**INTERNAL)
def _enable(s, first, value, is_on):
    """Thirty-two exceptions, from the first on, that are enabled or not."""
    low = value << first if first < 64 else 0
    high = value << first - 64 if first >= 64 else value >> 64 - first
    for word, bits in ((0, low), (1, high)):
        bits &= s[EXISTING + word]
        s[ENABLED + word] = s[ENABLED + word] | bits if is_on else s[ENABLED + word] & ~bits
    look_ahead(s)


@njit(**INTERNAL)
def _tell_cycle(s):
    """The cycle of the access, if its instruction has told its address (blockhook.on_clock_access), else -1."""
    if s[EXACT_BLOCK] != s[BLOCKS]:
        return -1
    s[EXACT_BLOCK] = 0
    return s[BLOCK_START] + call_clock(s[FN_CYCLES_BEFORE], s[STATE], s[EXACT_PC])


@njit(**INTERNAL)
def _write_private(s, offset, value):
    """Returns whether that was all."""
    if _ISER <= offset < _ISER + _SET_BYTES or _ICER <= offset < _ICER + _SET_BYTES:
        _enable(s, 16 + 8 * (offset & 0x7F), value, offset < _ICER)
        return True
    if offset not in (_LOAD, _VAL):
        return False
    now = _tell_cycle(s)
    if now < 0:
        return False
    if offset == _VAL:
        restart(s, now)
    else:
        change(s, now, s[TICK_CONTROL], value & TICK_MOST)
    return True


@hook(_WRITE)
def on_private_write(uc, offset, size, value, user_data):
    """User data is the state. Code without privileges may not store there, which Python says."""
    s = as_words(as_integer(user_data))
    is_plain = size == 4 and s[SERVED] < MOST_SERVED and call_reg_read(s[FN_REG_READ], s[UC], _CONTROL) & 1 == 0
    if is_plain and _write_private(s, np.int64(offset), np.int64(value)):
        s[SERVED] += 1
    else:
        call_write(s[FN_PRIVATE_WRITE], as_integer(uc), np.int64(offset), size, np.int64(value), s[STATE])


# -- GPIO ports, on AHB1, from 0x40020000

_GPIO_SHIFT, _ODR, _BSRR = 10, 0x14, 0x18


@njit(**INTERNAL)
def _output(s, offset, size):
    """The index of the ODR that an access to it or to BSRR may be answered for, 0: none."""
    port, register = offset >> _GPIO_SHIFT, offset & 0x3FF
    is_there = port < GPIOS and register in (_ODR, _BSRR) and s[GPIO_CLOCKS] >> port & 1 != 0
    return GPIO_OUTPUTS + port if is_there and size == 4 and s[SERVED] < MOST_SERVED else 0


# -- the DMA controllers, there too

_DMA, _DMA_SHIFT = 0x6000, 10
_LIFCR, _HIFCR = 2, 3  # words of a controller; its flags stand in the two before
_CR, _NDTR = 0, 1  # of a stream
_EN = 1
_ENABLED_FLAGS = 0b1_1100  # TEIE, HTIE, TCIE in CR, of which each stands one place below its flag


@njit(**INTERNAL)
def _controller(s, offset, size):
    """The controller that an access may be answered for, -1: none."""
    controller = offset - _DMA >> _DMA_SHIFT
    is_there = 0 <= controller < DMAS and (offset & 0x3FF) < 4 * DMA_WORDS
    return controller if is_there and size == 4 and s[SERVED] < MOST_SERVED and s[CLOCKED + controller] else -1


@njit(**INTERNAL)
def _is_quiet(s, controller):
    """Whether nothing has moved since Python had a look."""
    now = s[RESUMED_START] if s[BLOCKS] == s[RESUMED] else s[BLOCK_START]
    return now < s[QUIET + controller]


@njit(**INTERNAL)
def _control_of(s, controller, stream):
    return s[DMA + controller * DMA_WORDS + DMA_STREAMS + stream * STREAM_REGISTERS + _CR]


@njit(**INTERNAL)
def _is_at_rest(s, controller, register):
    """Whether it is a register of a stream that is off."""
    stream = (register - DMA_STREAMS) // STREAM_REGISTERS
    return register >= DMA_STREAMS and not _control_of(s, controller, stream) & _EN


@njit(**INTERNAL)
def _clear_flags(s, controller, register, value):
    """Flags of four streams. Returns whether that was all: it is not where some may be set by now."""
    flags = DMA + controller * DMA_WORDS + register - _LIFCR
    first = 4 * (register - _LIFCR)
    for k, shift in enumerate((0, 6, 16, 22)):
        if value >> shift & 0x3D and _control_of(s, controller, first + k) & _EN:
            return False
    s[flags] &= ~value
    for k, shift in enumerate((0, 6, 16, 22)):
        if not s[flags] >> shift & (_control_of(s, controller, first + k) << 1) & _ENABLED_FLAGS << 1:
            put(s, LINES, s[DMA_LINES + 8 * controller + first + k], False)
    return True


@hook(_READ)
def on_ahb_read(uc, offset, size, user_data):
    """User data is the state."""
    s = as_words(as_integer(user_data))
    output = _output(s, np.int64(offset), size)
    if output != 0:
        s[SERVED] += 1
        return np.uint64(s[output] if np.int64(offset) & 0x3FF == _ODR else 0)
    controller = _controller(s, np.int64(offset), size)
    register = (np.int64(offset) & 0x3FF) >> 2
    if controller >= 0 and (_is_quiet(s, controller) or _is_at_rest(s, controller, register)):
        s[SERVED] += 1
        return np.uint64(s[DMA + controller * DMA_WORDS + register])
    return np.uint64(call_read(s[FN_AHB_READ], as_integer(uc), np.int64(offset), np.int64(size), s[STATE]))


@njit(**INTERNAL)
def _write_dma(s, controller, register, value):
    """Returns whether that was all."""
    if register in (_LIFCR, _HIFCR):
        return _clear_flags(s, controller, register, value)
    which = (register - DMA_STREAMS) % STREAM_REGISTERS
    if not _is_at_rest(s, controller, register) or which == _CR:
        return False
    s[DMA + controller * DMA_WORDS + register] = value & 0xFFFF if which == _NDTR else value
    return True


@hook(_WRITE)
def on_ahb_write(uc, offset, size, value, user_data):
    """User data is the state."""
    s = as_words(as_integer(user_data))
    output = _output(s, np.int64(offset), size)
    if output != 0:
        bits, kept = np.int64(value), s[output] if np.int64(offset) & 0x3FF == _BSRR else 0
        s[output] = (kept & ~(bits >> 16) | bits) & 0xFFFF
        s[SERVED] += 1
        return
    controller = _controller(s, np.int64(offset), size)
    if controller >= 0 and _write_dma(s, controller, (np.int64(offset) & 0x3FF) >> 2, np.int64(value)):
        s[SERVED] += 1
    else:
        call_write(s[FN_AHB_WRITE], as_integer(uc), np.int64(offset), size, np.int64(value), s[STATE])
