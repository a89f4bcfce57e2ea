"""The compiled model's native hooks: before each block, and in the full model before instructions that need one.

An instruction hook that is the only one costs 5 ns, a memory hook 80 (Unicorn 2.1.4 restores the CPU's state for each
access): so data addresses are worked out from the registers, at the block's entry where that tells them (accesses.py),
else before the instruction runs.
"""

# ruff: noqa: F403, F405  every capital name is an offset from layout
# mypy: disable-error-code="no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

import numpy as np
from numba import carray, types

from hil.machine_code import njit
from hil.timing.compiled import blockhook
from hil.timing.compiled.accesses import access, divide_extra, register
from hil.timing.compiled.layout import *
from hil.timing.compiled.memo import begin, find, settle
from hil.timing.compiled.native import (
    INTERNAL,
    as_integer,
    as_words,
    call_block,
    call_hook,
    call_look,
    call_stop,
    hook,
    prefetch,
)
from hil.timing.compiled.pipeline import ARENA_POINTER, mix, row_at, table_entry

# words of blockhook's state that the model keeps
ARENA_WORD = blockhook.MODEL  # the arena's address
CHARGED = blockhook.MODEL + 1  # the arena's cycles that have been added to the board's: those when a block was entered

SIGNATURE_OF_HOOK = types.void(types.voidptr, types.uint64, types.uint32, ARENA_POINTER)


@hook(types.void(types.int64, types.int64, ARENA_POINTER))
def look(uc, row, m):
    """An instruction whose cost depends on the run is about to execute: find out."""
    needs = m[row + R_NEEDS]
    m[row + R_STAMP] = m[SERIAL]
    if needs & ~(NEED_PASSED | NEED_CALL):
        first = register(m, uc, m[row + R_BASE]) if m[row + R_BASE] else 0
        second = register(m, uc, m[row + R_INDEX]) if m[row + R_INDEX] else 0
        if needs & NEED_ADDRESS:
            address = (first + (second << m[row + R_SHIFT]) + m[row + R_OFFSET]) & 0xFFFF_FFFF
            m[row + R_DYNAMIC] = access(m, row, address)
        else:
            m[row + R_DYNAMIC] = divide_extra(m, first, second, needs & NEED_SIGNED_DIVIDE) << EXTRA_SHIFT
    if needs & NEED_CALL:
        call_hook(m[row + R_FUNCTION], uc, m[row + R_OWN_ADDRESS], 0, m[row + R_DATA])
    m[SIGNATURE] = mix(m[SIGNATURE], row | m[row + R_DYNAMIC] << 40)


@njit(**INTERNAL)
def canonical(address):
    """Where flash really lies: with BOOT0 low it shows at 0, too."""
    return address | FLASH_ORIGIN if address < 2 * FLASH_HALFWORDS else address


@njit(**INTERNAL)
def _widen(m):
    """The block that was to be translated with fewer code hooks has been: all others get them everywhere."""
    if m[HOOK_RANGE] != 0:
        range_ = as_words(m[HOOK_RANGE])
        range_[0], range_[1] = 1, 0
        m[HOOK_RANGE] = 0


@hook(SIGNATURE_OF_HOOK)
def on_block(uc, address, size, m):
    """User data is the arena: for a core with nothing around it (hil.timing.cycles.call). Size 0: no block follows."""
    at = canonical(np.int64(address))
    m[ALIAS] = at - np.int64(address)
    _widen(m)
    link = settle(m, at)
    if m[CYCLES] >= m[DEADLINE]:
        call_stop(m[FN_STOP], as_integer(uc))
    elif size != 0:
        node = find(as_integer(uc), m, at, np.int64(size), link)
        if node == 0:
            call_stop(m[FN_STOP], as_integer(uc))
        else:
            begin(as_integer(uc), m, node)


@njit(**INTERNAL)
def _go_on(m, address, size):
    """As on_block, for a part of a block whose accesses have been told (HELD): no core is asked anything."""
    link = settle(m, address)
    if size != 0:
        begin(0, m, find(0, m, address, size, link))


@njit(**INTERNAL)
def _split(m, address):
    node = m[NODE]
    start, end = m[node + N_START], m[node + N_END]
    if node == 0 or address <= start or address > end:
        return
    signature, serial = m[SIGNATURE], m[SERIAL]
    m[INSTRUCTIONS] -= m[node + N_INSTRUCTIONS]
    m[NODE], m[STATE], m[HELD] = 0, m[node + N_STATE], 1
    _go_on(m, start, address - start)
    m[SIGNATURE], m[SERIAL] = signature, serial
    _go_on(m, address, end - address)
    m[SIGNATURE], m[HELD] = signature, 0


@hook(types.int64(types.int64, ARENA_POINTER))
def split(address, m):
    """The running block has run up to an address: charge that; the rest becomes a block of its own.

    Returns the cycle in which the instruction before the address executes.
    """
    _split(m, address)
    return m[CYCLES] + m[m[STATE] + 1]


@hook(types.int64(types.int64, types.int64))
def board_cycles_before(state, pc):
    """Cycles from the running block's entry to the execution of its instruction at pc, the last that has run."""
    s = as_words(state)
    m = as_words(s[ARENA_WORD])
    at = canonical(pc)
    _split(m, at + m[row_at(m, at) + R_SIZE])
    return m[CYCLES] + m[m[STATE] + 1] - s[CHARGED]


@hook(types.void(types.int64, types.int64))
def board_break_off(state, pc):
    """The running block has stopped before pc, or has left for it: charge what has run of it. Nothing runs then."""
    s = as_words(state)
    m = as_words(s[ARENA_WORD])
    node, at = m[NODE], canonical(pc)
    if node != 0 and at == m[node + N_START]:
        m[INSTRUCTIONS] -= m[node + N_INSTRUCTIONS]
    elif node != 0 and m[node + N_START] < at <= m[node + N_END]:
        _split(m, at)
    elif node != 0:
        _widen(m)
        settle(m, at)
    m[NODE] = 0
    s[blockhook.CYCLES] += m[CYCLES] - s[CHARGED]
    s[CHARGED] = m[CYCLES]


@hook(types.void(types.int64, types.int64))
def board_empty_pipeline(state, _):
    """What comes next arrives as if after a branch; nothing runs."""
    m = as_words(as_words(state)[ARENA_WORD])
    m[STATE], m[NODE] = START_STATE, 0


@njit(**INTERNAL)
def _look_at(uc, m, address):
    """An instruction is about to execute."""
    if address < m[HOOKED_FROM]:
        m[m[PLAN] + P_VAIN] += 1
        return
    entry = table_entry(m, address)
    if entry & LOOKED_AT:
        call_look(m[FN_LOOK], uc, entry & ~LOOKED_AT, m[ARENA])


@hook(SIGNATURE_OF_HOOK)
def on_instruction(uc, address, size, m):
    """User data is the arena."""
    _look_at(as_integer(uc), m, canonical(np.int64(address)))


@njit(**INTERNAL)
def _enter(uc, state, m, node, address, size):
    """Whether the board lets the block run; what it knows of it then is kept with the node."""
    entry = blockhook.enter(uc, state, address, size)
    if entry == np.uint64(0):
        return False
    if np.int64(entry & np.uint64(blockhook.INSTRUCTIONS_MASK)) == m[node + N_INSTRUCTIONS]:
        flags = m[node + N_FLAGS] & ((1 << KNOWN_SHIFT) - 1)
        m[node + N_FLAGS] = flags | np.int64(blockhook.known(state, address, entry)) << KNOWN_SHIFT
    return True


@hook(blockhook.HOOK_SIGNATURE)
def on_board_block(uc, address, size, user_data):
    """User data is the simulated board's state (hil.timing.compiled.blockhook)."""
    s = as_words(as_integer(user_data))
    state = carray(user_data, (blockhook.LENGTH,), np.uint64)
    m = as_words(s[ARENA_WORD])
    at = canonical(np.int64(address))
    m[ALIAS] = at - np.int64(address)
    _widen(m)
    link = settle(m, at)
    s[blockhook.CYCLES] += m[CYCLES] - s[CHARGED]
    s[CHARGED] = m[CYCLES]
    if s[blockhook.WAIT_STATES] | s[blockhook.ART] << 8 != m[SETTINGS]:
        call_block(m[FN_SET_FLASH], s[blockhook.WAIT_STATES], s[blockhook.ART])
        link = 0
    node = find(as_integer(uc), m, at, np.int64(size), link)
    if node == 0:
        blockhook.stop(uc, state, blockhook.STOP_MODEL)
        return
    prefetch(m[ARENA] + 8 * m[node + N_PLAN])
    known = np.uint64(m[node + N_FLAGS] >> KNOWN_SHIFT)
    if known != 0 and blockhook.may_run(uc, state, known, state[blockhook.CYCLES]):
        blockhook.note(state, address, size, m[node + N_INSTRUCTIONS])
    elif not _enter(uc, state, m, node, address, size):
        return
    begin(as_integer(uc), m, node)
    s[blockhook.PREV_END] = np.int64(address) + np.int64(size)


@hook(blockhook.HOOK_SIGNATURE)
def on_board_instruction(uc, address, size, user_data):
    """User data is the simulated board's state."""
    m = as_words(as_words(as_integer(user_data))[ARENA_WORD])
    _look_at(as_integer(uc), m, canonical(np.int64(address)))
