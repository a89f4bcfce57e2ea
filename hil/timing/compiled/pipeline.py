"""The pipeline, compiled: the twin of pipeline.py and fetch.py on the arena (hil.timing.compiled.layout).

m is the arena. Times are relative to the entry of the block being worked out. Tests hold this equal to the readable
files, cycle by cycle; the reasons for each step stand there. Few and plain functions: numba compiles them at the first
use.
"""

# ruff: noqa: F403, F405  every capital name is an offset from layout
# mypy: disable-error-code="no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

from numba import types

from hil.machine_code import njit
from hil.timing.compiled.layout import *
from hil.timing.compiled.native import INTERNAL, as_words, hook

ARENA_POINTER = types.CPointer(types.int64)
SIGNATURE_OF_WORK = types.void(types.int64, ARENA_POINTER)
NEVER = 1 << 40  # the time of a queue slot that is not free
_LATENCY = 2
_BUS_MEMORY = 31
_MIX = 0x9E3779B97F4A7C15 - (1 << 64)


@njit(**INTERNAL)
def table_entry(m, address):
    """The row of the instruction at an address | LOOKED_AT; 0 where none has been decoded."""
    offset = (address - FLASH_ORIGIN) >> 1
    if 0 <= offset < FLASH_HALFWORDS:
        return m[ROW_TABLE + offset]
    offset = (address - RAM_ORIGIN) >> 1
    if 0 <= offset < RAM_HALFWORDS:
        return m[ROW_TABLE + FLASH_HALFWORDS + offset]
    return 0


@njit(**INTERNAL)
def row_at(m, address):
    """The row of the instruction at an address."""
    row = table_entry(m, address) & ~LOOKED_AT
    return row if row != 0 else NO_ROW


@njit(**INTERNAL)
def read_array(m, due):
    """Waits of a read of the flash array wanted in cycle `due`, once the read in progress is over."""
    start = max(due, m[BUSY_UNTIL])
    m[BUSY_UNTIL] = start + m[WAIT_STATES] + 1
    return start + m[WAIT_STATES] - due


@njit(**INTERNAL)
def _enter_line(m, due):
    """Cycles that the first fetch from a flash line waits, by what the cache said of it."""
    code = m[CODES + m[CODE_NEXT]]
    m[CODE_NEXT] += 1
    outcome = code & 3
    waits = 0
    if outcome == LINE_PREFETCHED:
        waits = max(0, m[PREFETCH_READY] - due)
    elif outcome == LINE_MISSED:
        waits = read_array(m, due)
    if code & STARTS_PREFETCH:
        start = due + waits + 1
        if outcome != LINE_PREFETCHED:
            start = max(start, m[BUSY_UNTIL])
        m[PREFETCH_READY] = start + m[WAIT_STATES]
        m[BUSY_UNTIL] = m[PREFETCH_READY] + 1
    return waits


@njit(**INTERNAL)
def _fill(m, last_word, before):
    """Request words up to last_word, those that can go out before a cycle.

    Constants as arguments would have it compiled once for each: callers add something to NEVER.
    """
    while m[NEXT_WORD] <= last_word and m[FREE_COUNT] > 0:
        cycle = max(m[LAST_REQUEST] + 1, m[FREE])
        if cycle >= before:
            break
        cause = CAUSE_SLOT if cycle > m[LAST_REQUEST] + 1 else CAUSE_SEQUENCE
        m[FREE] = m[FREE + 1]
        m[FREE + 1] = m[FREE + 2]
        m[FREE_COUNT] -= 1
        word = m[NEXT_WORD]
        line = word >> m[LINE_SHIFT]
        waits = 0
        if line != m[LINE_NOW] and m[TRACKS_LINES] and 0 <= word - FLASH_ORIGIN < 2 * FLASH_HALFWORDS:
            m[LINE_NOW] = line
            waits = _enter_line(m, cycle + 1)
            cause = CAUSE_FLASH if waits > 0 else cause
        if m[HAS_SRAM_FETCH] and word >= RAM_ORIGIN:
            waits = 0
            while 0 <= cycle - m[BUS_FROM] < 63 and (m[BUS_TAKEN] >> (cycle - m[BUS_FROM])) & 1:
                cycle += 1
            m[READY + ((word >> 2) & 3)] = cycle + _LATENCY + 1
        else:
            m[READY + ((word >> 2) & 3)] = cycle + _LATENCY + waits
        m[CAUSES + ((word >> 2) & 3)] = cause
        m[LAST_REQUEST] = cycle + waits
        m[NEXT_WORD] = word + 4


@njit(**INTERNAL)
def _stall(m, row, previous):
    """Which rule makes this instruction wait a cycle for the one before, STALL_*; 0: none."""
    if m[previous + C_LATE] & m[row + R_ADDRESS]:
        return STALL_ADDRESS
    if m[previous + C_FP] & m[row + R_FP]:
        return STALL_FP
    if m[previous + C_STORE] and m[row + R_FLAGS] & F_LOADS:
        return STALL_STORE
    if m[previous + C_BASE] != 0 and m[previous + C_BASE] == m[row + R_BASE_BACK]:
        return STALL_BASE
    return 0


@njit(**INTERNAL)
def _overlaps(m, row, previous):
    """Whether this access can follow the load before on the bus at once."""
    if not m[row + R_FLAGS] & F_SINGLE or m[previous + C_LOADED] & m[row + R_ADDRESS]:
        return False
    mine = m[row + R_DYNAMIC] & SLAVE_MASK
    other = m[OVERLAP] - 1
    return mine == other or mine == ANY_SLAVE or other == ANY_SLAVE  # noqa: SIM109, PLR1714  plain for numba


@njit(**INTERNAL)
def _take_bus(m, cycle, words):
    """A data access has the System bus from a cycle on; what is BUS_MEMORY before it is forgotten."""
    if m[BUS_TAKEN] == 0:
        m[BUS_FROM] = cycle
    past = cycle - _BUS_MEMORY - m[BUS_FROM]
    if past > 0:
        m[BUS_TAKEN] = m[BUS_TAKEN] >> min(past, 63)
        m[BUS_FROM] += past
    m[BUS_TAKEN] |= ((1 << words) - 1) << (cycle - m[BUS_FROM])


@njit(**INTERNAL)
def _execute(m, row, address, next_address):
    """Push an instruction through."""
    flags = m[row + R_FLAGS]
    size = m[row + R_SIZE]
    passed = not flags & F_CONDITIONAL or m[row + R_STAMP] == m[SERIAL]
    previous = m[PREVIOUS]
    time = m[TIME]
    m[TRACED + T_OVERLAP] = m[TRACED + T_STALL] = m[TRACED + T_WAITS] = m[TRACED + T_SLAVE] = 0
    if m[OVERLAP] != 0:
        if passed and _overlaps(m, row, previous):
            time -= 1
            m[TRACED + T_OVERLAP] = 1
        m[OVERLAP] = 0
    m[TRACED + T_TIME] = m[TRACED + T_CYCLE] = time
    decoded = time - 1
    ends_word = False
    if m[HAS_FETCH]:
        ends_word = size == 4 or address & 2 != 0
        last_word = (address + size - 2) & ~3
        _fill(m, last_word, time + NEVER)
        decoded = max(m[READY + ((address >> 2) & 3)], m[READY + ((last_word >> 2) & 3)])
        is_last = m[READY + ((last_word >> 2) & 3)] == decoded
        m[TRACED + T_CAUSE] = m[CAUSES + (((last_word if is_last else address) >> 2) & 3)]
        decoded = max(decoded, m[EXECUTED])
    if flags & F_FOLDS and m[previous + C_NARROW]:
        m[FREE + m[FREE_COUNT]] = m[EXECUTED]
        m[FREE_COUNT] += ends_word
        m[TIME] = time
        return
    cycle = max(decoded + 1, time)
    m[TRACED + T_CYCLE] = cycle
    if passed and cycle == time:
        m[TRACED + T_STALL] = _stall(m, row, previous)
        cycle += m[TRACED + T_STALL] != 0
    if ends_word:
        is_late = m[HAS_LATE_RELEASE] and (cycle > decoded + 1 or m[previous + C_MEMORY])
        m[FREE + m[FREE_COUNT]] = cycle if is_late else decoded
        m[FREE_COUNT] += 1
    duration = 1
    m[PREVIOUS] = FAILED_NARROW if size == 2 else FAILED_WIDE
    if passed:
        dynamic = m[row + R_DYNAMIC]
        duration = m[row + R_COST] + ((dynamic >> EXTRA_SHIFT) & EXTRA_MASK)
        waits = 0
        for _ in range(dynamic >> MISS_SHIFT):
            waits += read_array(m, cycle + 1 + waits)
        duration += waits
        m[TRACED + T_WAITS] = waits
        m[TRACED + T_SLAVE] = dynamic & SLAVE_MASK
        if m[row + R_BUS] and SRAM_SLAVE <= dynamic & SLAVE_MASK < ANY_SLAVE:
            _take_bus(m, cycle, m[row + R_BUS])
        m[PREVIOUS] = m[row + R_CLASS]
        if flags & F_OVERLAPS:
            m[OVERLAP] = 1 + (dynamic & SLAVE_MASK)
    m[EXECUTED] = cycle
    m[TIME] = cycle + duration
    if next_address != address + size:
        if not m[HAS_FETCH]:
            m[TIME] += m[row + R_FIXED]
        request = cycle + m[row + R_DELAY] + (duration if flags & F_DELAY_AFTER else 0)
        m[NEXT_WORD] = next_address & ~3
        m[LAST_REQUEST] = request - 1
        m[FREE_COUNT] = 3
        for k in range(3):
            m[FREE + k] = request
    elif passed and flags & F_STEALS:
        _fill(m, address + NEVER, cycle - 1)
        m[LAST_REQUEST] = max(m[LAST_REQUEST], cycle - 1)


@njit(**INTERNAL)
def _load_state(m, state, address):
    """Put the pipeline into a state, at the entry of the block at an address, with TIME = 0."""
    base = address & ~3
    m[TIME] = 0
    m[PREVIOUS] = m[state]
    m[EXECUTED] = m[state + 1]
    m[OVERLAP] = m[state + 2]
    m[NEXT_WORD] = base + m[state + S_AHEAD]
    m[LAST_REQUEST] = m[state + S_LAST_REQUEST]
    m[FREE_COUNT] = m[state + 5]
    for k in range(3):
        m[FREE + k] = m[state + 6 + k]
        m[READY + (((base >> 2) + k) & 3)] = m[state + 9 + k]
        m[CAUSES + (((base >> 2) + k) & 3)] = CAUSE_SEQUENCE
    m[BUSY_UNTIL] = m[state + 12]
    m[PREFETCH_READY] = m[state + 13]
    m[BUS_FROM] = m[state + 14]
    m[BUS_TAKEN] = m[state + 15]
    m[CODE_NEXT] = 0
    m[LINE_NOW] = (m[NEXT_WORD] - 4) >> m[LINE_SHIFT] if m[state + S_AHEAD] > 0 else 0


@njit(**INTERNAL)
def mix(hash_value, word):
    """One step of a hash over words."""
    hash_value = (hash_value ^ word) * _MIX
    return hash_value ^ (hash_value >> 29)


@njit(**INTERNAL)
def _keep_state(m, next_address):
    """The state that the pipeline is in, as an offset; equal states have equal offsets.

    Times are kept relative to TIME, and no earlier than tells them apart.
    """
    base = next_address & ~3
    time = m[TIME]
    fresh = STATES + STATE_STRIDE * m[STATE_COUNT]
    for k in range(STATE_WORDS):
        m[fresh + k] = 0
    m[fresh] = m[PREVIOUS]
    m[fresh + 2] = m[OVERLAP]
    if m[HAS_FETCH]:
        m[fresh + 1] = m[EXECUTED] - time
        m[fresh + S_AHEAD] = m[NEXT_WORD] - base
        m[fresh + S_LAST_REQUEST] = m[LAST_REQUEST] - time
        m[fresh + 5] = m[FREE_COUNT]
        for k in range(3):
            m[fresh + 6 + k] = max(m[FREE + k], m[LAST_REQUEST] + 1) - time if k < m[FREE_COUNT] else NEVER
            word = base + 4 * k
            if word < m[NEXT_WORD]:
                m[fresh + 9 + k] = max(m[READY + ((word >> 2) & 3)], m[EXECUTED]) - time
    if m[WAIT_STATES]:
        earliest = min(m[LAST_REQUEST] + 2, time - 2)  # no read of the array can be due before
        m[fresh + 12] = max(m[BUSY_UNTIL], earliest) - time
        m[fresh + 13] = max(m[PREFETCH_READY], earliest) - time
    past = min(63, max(0, m[LAST_REQUEST] + 1 - m[BUS_FROM]))
    if m[BUS_TAKEN] >> past:
        m[fresh + 14] = m[BUS_FROM] + past - time
        m[fresh + 15] = m[BUS_TAKEN] >> past
    slot = 0
    for k in range(STATE_WORDS):
        slot = mix(slot, m[fresh + k])
    slot &= (2 << STATE_BITS) - 1
    while m[STATE_HASH + slot] != 0:
        known = m[STATE_HASH + slot]
        k = 0
        while k < STATE_WORDS and m[known + k] == m[fresh + k]:
            k += 1
        if k == STATE_WORDS:
            return known
        slot = (slot + 1) & ((2 << STATE_BITS) - 1)
    m[STATE_HASH + slot] = fresh
    m[STATE_COUNT] += 1
    return fresh


@hook(SIGNATURE_OF_WORK)
def work_out(next_address, m):
    """Work out what the exit in ARGUMENT costs and leads to: its node's block, the flow then going to next_address."""
    known = m[ARGUMENT]
    node = m[known + X_NODE]
    address = m[node + N_START]
    end = m[node + N_END]
    _load_state(m, m[node + N_STATE], address)
    traced = 0
    while address < end:
        row = row_at(m, address)
        following = address + m[row + R_SIZE]
        m[SIMULATED] += 1
        _execute(m, row, address, next_address if following >= end else following)
        if m[TRACE] != 0:
            m[TRACED + T_ADDRESS] = address
            m[TRACED + T_END] = m[TIME]
            trace = as_words(m[TRACE])
            for k in range(TRACE_WORDS):
                trace[traced + k] = m[TRACED + k]
            traced += TRACE_WORDS
        address = following
    m[known + X_CYCLES] = m[TIME]
    m[known + X_PEEKED] = m[CODE_NEXT]
    m[known + X_STATE] = _keep_state(m, next_address)
