"""The compiled model's native hooks: before each block, and in the full model before each instruction.

An instruction hook that is the only one costs 5 ns, a memory hook 80 (Unicorn 2.1.4 restores the CPU's state for each
access): so data addresses are worked out from the registers before the instruction runs.
"""

# ruff: noqa: F403, F405  every capital name is an offset from layout
# mypy: disable-error-code="no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

import numpy as np
from numba import carray, types

from hil.machine_code import njit
from hil.timing.compiled import blockhook
from hil.timing.compiled.layout import *
from hil.timing.compiled.memo import begin, settle
from hil.timing.compiled.native import (
    INTERNAL,
    as_integer,
    as_words,
    call_block,
    call_hook,
    call_look,
    call_reg_read,
    call_stop,
    hook,
)
from hil.timing.compiled.pipeline import ARENA_POINTER, mix, table_entry

# words of blockhook's state that the model keeps
ARENA_WORD = blockhook.MODEL  # the arena's address
CHARGED = blockhook.MODEL + 1  # the arena's cycles that have been added to the board's
AT_ENTRY = blockhook.MODEL + 2  # the arena's cycles when the running block was entered

SIGNATURE_OF_HOOK = types.void(types.voidptr, types.uint64, types.uint32, ARENA_POINTER)


@njit(**INTERNAL)
def _register(uc, m, register):
    return call_reg_read(m[FN_REG_READ], uc, register)


@njit(**INTERNAL)
def _divide_extra(m, dividend, divisor, is_signed):
    """Cycles of a divide beyond its first, by its operands (costs.divide_cost)."""
    if is_signed:
        dividend = 0x1_0000_0000 - dividend if dividend & 0x8000_0000 else dividend
        divisor = 0x1_0000_0000 - divisor if divisor & 0x8000_0000 else divisor
    if divisor == 0:
        return m[DIVIDE_SHORTEST]
    extra_bits = 0
    while dividend:
        dividend >>= 1
        extra_bits += 1
    while divisor:
        divisor >>= 1
        extra_bits -= 1
    if extra_bits < 0:
        return m[DIVIDE_SHORTEST]
    return min(m[DIVIDE_LONGEST], m[DIVIDE_EQUAL] + extra_bits // m[DIVIDE_BITS])


@njit(**INTERNAL)
def _missing_data_lines(m, address, size):
    """Look up a data read of flash in the data cache, bringing its lines in; how many were not there.

    The lines are kept in order of use: the one wanted moves to the front, the last falls out.
    """
    missing = 0
    for line in range(address >> 4, ((address + size - 1) >> 4) + 1):
        moving = line
        missing += 1
        for k in range(DATA_LINES, DATA_LINES + DATA_LINE_COUNT):
            held = m[k]
            m[k] = moving
            if held == line:
                missing -= m[HAS_DATA_CACHE]
                break
            moving = held
    return missing


@njit(**INTERNAL)
def _sdram_extra(m, row, address):
    """Extra cycles of an access to SDRAM (hil.timing.statement.sdram)."""
    extra = m[SDRAM_HALFWORD] * m[row + R_HALFWORDS]
    if m[row + R_FLAGS] & F_LOADS:
        extra += m[SDRAM_LATENCY]
    bank = SDRAM_ROWS + ((address >> 21) & 3)
    if m[bank] != address >> 9:
        m[bank] = address >> 9
        extra += m[SDRAM_ROW]
    return extra


@njit(**INTERNAL)
def _access(m, row, address):
    """Slave, extra cycles and missing data lines of a load or store."""
    slave = (address >= 0x1000_0000) + (address >= 0x2000_0000) + (address >= m[SRAM1_END]) + (address >= m[SRAM2_END])
    if 0xC000_0000 <= address < 0xE000_0000:
        slave = EXTERNAL_SLAVE
    if not m[HAS_SLAVES]:
        slave = ANY_SLAVE
    unit = m[row + R_UNIT]
    extra = 0
    if address & (unit - 1):
        extra = m[UNALIGNED_WORD]
        if address & 1:
            extra = m[ODD_WORD] if unit == 4 else m[ODD_HALFWORD]
    if m[row + R_HALFWORDS] and 0xC000_0000 <= address < 0xE000_0000:
        extra += _sdram_extra(m, row, address)
    missing = 0
    if m[TRACKS_LINES] and m[row + R_BYTES] and 0x0800_0000 <= address < 0x0820_0000:
        missing = _missing_data_lines(m, address, m[row + R_BYTES])
    return slave | extra << EXTRA_SHIFT | missing << MISS_SHIFT


@hook(types.void(types.int64, types.int64, ARENA_POINTER))
def look(uc, row, m):
    """An instruction whose cost depends on the run is about to execute: find out."""
    needs = m[row + R_NEEDS]
    m[row + R_STAMP] = m[SERIAL]
    if needs & ~(NEED_PASSED | NEED_CALL):
        first = _register(uc, m, m[row + R_BASE]) if m[row + R_BASE] else 0
        second = _register(uc, m, m[row + R_INDEX]) if m[row + R_INDEX] else 0
        if needs & NEED_ADDRESS:
            address = (first + (second << m[row + R_SHIFT]) + m[row + R_OFFSET]) & 0xFFFF_FFFF
            m[row + R_DYNAMIC] = _access(m, row, address)
        else:
            m[row + R_DYNAMIC] = _divide_extra(m, first, second, needs & NEED_SIGNED_DIVIDE) << EXTRA_SHIFT
    if needs & NEED_CALL:
        call_hook(m[row + R_FUNCTION], uc, m[row + R_OWN_ADDRESS], m[row + R_DATA])
    m[SIGNATURE] = mix(m[SIGNATURE], row | m[row + R_DYNAMIC] << 40)


@hook(SIGNATURE_OF_HOOK)
def on_block(uc, address, size, m):
    """User data is the arena: for a core with nothing around it (hil.timing.cycles.call). Size 0: no block follows."""
    at = np.int64(address)
    link = settle(m, at)
    if m[CYCLES] >= m[DEADLINE]:
        call_stop(m[FN_STOP], as_integer(uc))
    elif size != 0:
        begin(m, at, np.int64(size), link)


@hook(SIGNATURE_OF_HOOK)
def on_instruction(uc, address, size, m):
    """User data is the arena."""
    entry = table_entry(m, np.int64(address))
    if entry & LOOKED_AT:
        call_look(m[FN_LOOK], as_integer(uc), entry & ~LOOKED_AT, m[ARENA])


@hook(blockhook.HOOK_SIGNATURE)
def on_board_block(uc, address, size, user_data):
    """User data is the simulated board's state (hil.timing.compiled.blockhook)."""
    s = as_words(as_integer(user_data))
    m = as_words(s[ARENA_WORD])
    at = np.int64(address)
    link = settle(m, at)
    s[blockhook.CYCLES] += m[CYCLES] - s[CHARGED]
    s[CHARGED] = m[CYCLES]
    if s[blockhook.WAIT_STATES] | s[blockhook.ART] << 8 != m[SETTINGS]:
        call_block(m[FN_SET_FLASH], s[blockhook.WAIT_STATES], s[blockhook.ART])
        link = 0
    state = carray(user_data, (blockhook.LENGTH,), np.uint64)
    if blockhook.enter(uc, state, address, size) == np.uint64(0):
        return
    begin(m, at, np.int64(size), link)
    s[AT_ENTRY] = m[CYCLES]
    s[blockhook.PREV_END] = at + np.int64(size)


@hook(blockhook.HOOK_SIGNATURE)
def on_board_instruction(uc, address, size, user_data):
    """User data is the simulated board's state."""
    m = as_words(as_words(as_integer(user_data))[ARENA_WORD])
    entry = table_entry(m, np.int64(address))
    if entry & LOOKED_AT:
        call_look(m[FN_LOOK], as_integer(uc), entry & ~LOOKED_AT, m[ARENA])
