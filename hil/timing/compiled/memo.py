"""Basic blocks worked out once: what running a block in a given pipeline state costs and leads to is kept.

A block's cost depends on the block, on the state of the pipeline at its entry (fetch queue, previous instruction, a
load that may overlap), on whether its last branch is taken, and on what its run says: bus slaves, missed data lines,
divide operands, failed conditions, and what the instruction cache answers for each flash line. The last two are summed
up in a signature. All of it is the key, so a kept cost is the exact one. That works because the caches' answers depend
on the order of accesses, never on their times.
"""

# ruff: noqa: F403, F405  every capital name is an offset from layout
# mypy: disable-error-code="no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

import numpy as np

from hil.machine_code import njit
from hil.timing.compiled.accesses import moves, recall
from hil.timing.compiled.layout import *
from hil.timing.compiled.native import INTERNAL, call_block, call_look, prefetch
from hil.timing.compiled.pipeline import mix, row_at, table_entry

# -- the instruction cache


@njit(**INTERNAL)
def _oldest_slot(m):
    """The slot that the next line to come in will take."""
    if m[LINE_COUNT] < m[MOST_LINES]:
        return m[LINE_COUNT]
    oldest = m[LINE_CLOCK] + 1
    slot = 0
    for k in range(m[MOST_LINES]):
        used = m[LINE_USES + k]
        if used < oldest:
            oldest = used
            slot = k
    return slot


@njit(**INTERNAL)
def _line_code(m, line):
    """What the instruction cache says of the first fetch from a line; the slot it would take is left in SLOT."""
    if line == m[CURRENT_LINE]:
        return LINE_SAME
    stamp = LINE_STAMPS + line - m[FIRST_LINE]
    follows = m[stamp + 1] != 0
    code = LINE_HIT
    if m[stamp] == 0:
        code = LINE_MISSED
        slot = _oldest_slot(m)
        m[SLOT] = slot
        if m[LINE_COUNT] == m[MOST_LINES] and m[LINES + slot] == line + 1:
            follows = False  # it goes to make room
    if line == m[PREFETCHED_LINE]:
        code = LINE_PREFETCHED
    if m[HAS_PREFETCH] and not follows and m[PREFETCHED_LINE] != line + 1:
        code |= STARTS_PREFETCH
    return code


@njit(**INTERNAL)
def _use_line(m, line, code):
    """After _line_code: fetching from a line makes it the most recently used; the least recently used goes."""
    if code == LINE_SAME:
        return
    m[CURRENT_LINE] = line
    if code & STARTS_PREFETCH:
        m[PREFETCHED_LINE] = line + 1
    if not m[HAS_INSTRUCTION_CACHE]:
        return
    stamp = LINE_STAMPS + line - m[FIRST_LINE]
    if m[stamp] == 0:
        if m[LINE_COUNT] < m[MOST_LINES]:
            m[LINE_COUNT] += 1
        else:
            m[LINE_STAMPS + m[LINES + m[SLOT]] - m[FIRST_LINE]] = 0
        m[LINES + m[SLOT]] = line
        m[stamp] = m[SLOT] + 1
        m[LINE_CHANGES] += 1
    m[LINE_CLOCK] += 1
    m[LINE_USES + m[stamp] - 1] = m[LINE_CLOCK]


@njit(**INTERNAL)
def _enter_lines(m, node, taken):
    """Go through the flash lines that a block's fetches enter; leaves their codes in CODES and returns a hash of them.

    A conditional branch not taken may or may not fetch into one line more: its code is there, but it is not used yet.
    """
    ahead = m[m[node + N_STATE] + S_AHEAD]
    next_word = (m[node + N_START] & ~3) + ahead
    last = ((m[node + N_END] - 2) & ~3) >> m[LINE_SHIFT]
    line = next_word >> m[LINE_SHIFT]
    if ahead > 0:
        line = ((next_word - 4) >> m[LINE_SHIFT]) + 1
        last = max(last, line - 1)
    if line < m[FIRST_LINE] or last >= m[FIRST_LINE] + ((2 * FLASH_HALFWORDS) >> m[LINE_SHIFT]) - 1:
        return 0
    total = 0
    count = 0
    for k in range(line, last + 1):
        code = _line_code(m, k)
        _use_line(m, k, code)
        m[CODES + count] = code
        count += 1
        total = total * 11 + code + 1
    m[LINES_ENTERED] = count
    if m[node + N_FLAGS] & F_STEALS and not taken:
        m[CODES + count] = _line_code(m, last + 1)
        total = total * 11 + m[CODES + count] + 1
        m[PEEKED_LINE] = last + 1
    return total


@njit(**INTERNAL)
def _enter_lines_again(m, node, taken):
    """_enter_lines, but at once where the same block comes round once more and the cache holds what it held."""
    current, prefetched = m[CURRENT_LINE], m[PREFETCHED_LINE]
    if m[LAST_NODE] == node + taken and current == m[LAST_CURRENT] and prefetched == m[LAST_PREFETCHED]:
        m[CURRENT_LINE], m[PREFETCHED_LINE] = m[LAST_CURRENT_AFTER], m[LAST_PREFETCHED_AFTER]
        return m[LAST_TOTAL]
    changes = m[LINE_CHANGES]
    total = _enter_lines(m, node, taken)
    is_steady = changes == m[LINE_CHANGES] and m[PEEKED_LINE] == 0
    m[LAST_NODE] = node + taken if is_steady else 0
    m[LAST_CURRENT], m[LAST_PREFETCHED], m[LAST_TOTAL] = current, prefetched, total
    m[LAST_CURRENT_AFTER], m[LAST_PREFETCHED_AFTER] = m[CURRENT_LINE], m[PREFETCHED_LINE]
    return total


# -- nodes


@njit(**INTERNAL)
def _has_use(m, plan):
    """Whether a plan has to be gone by. One that tells nothing is a line of this computer's cache for nothing."""
    return plan != 0 and (not m[LEARNS] or m[plan + P_COUNT] != 0 or m[plan + P_FROM] == 0)


@njit(**INTERNAL)
def _find_node(m, address, size, state):
    slot = mix(mix(address, size), state) & ((2 << NODE_BITS) - 1)
    while m[NODE_HASH + slot] != 0:
        node = m[NODE_HASH + slot]
        if m[node + N_START] == address and m[node + N_END] == address + size and m[node + N_STATE] == state:
            return node
        slot = (slot + 1) & ((2 << NODE_BITS) - 1)
    node = NODES + NODE_STRIDE * m[NODE_COUNT]
    m[NODE_COUNT] += 1
    m[NODE_HASH + slot] = node
    m[node + N_START] = address
    m[node + N_END] = address + size
    m[node + N_STATE] = state
    m[node + N_EXIT] = m[node + N_EXIT + 1] = 0
    m[node + N_INSTRUCTIONS] = m[node + N_FLAGS] = m[node + N_PLAN] = 0
    end = address + size
    while address < end:
        if table_entry(m, address) == 0:
            call_block(m[FN_DECODE], address, end - address)
        row = row_at(m, address)
        address += m[row + R_SIZE]
        m[node + N_INSTRUCTIONS] += 1
        m[node + N_FLAGS] = m[row + R_FLAGS]  # of its last instruction
    first = row_at(m, m[node + N_START])
    if first != NO_ROW:
        if m[first + R_PLAN] == 0 or m[m[first + R_PLAN] + P_SIZE] != size:
            call_block(m[FN_PLAN], m[node + N_START], size)
        m[node + N_PLAN] = m[first + R_PLAN] if _has_use(m, m[first + R_PLAN]) else 0
    return node


@njit(**INTERNAL)
def find(uc, m, address, size, link):
    """The node of the block at an address in the current state; link: the exit that led here, 0 where not known.

    0 where the block has to be translated anew first: too many of its code hooks came in vain, an access may go
    elsewhere than its plan says, or the fast model wants hooks.
    """
    target = address | size << 40
    if link != 0 and m[link + X_TARGET] == target:
        node = m[link + X_NEXT]
    else:
        if m[STATE_COUNT] > STATE_LIMIT or m[NODE_COUNT] > NODE_LIMIT or m[EXIT_COUNT] > EXIT_LIMIT:
            call_block(m[FN_FORGET], 0, 0)
            link = 0
        node = _find_node(m, address, size, m[STATE])
        plan = m[node + N_PLAN]
        if plan != 0 and m[HELD] == 0 and m[plan + P_WANTS_HOOKS] != 0:
            m[WANTED] = plan
            return 0
        if link != 0:
            m[link + X_TARGET] = target
            m[link + X_NEXT] = node
    if m[LEARNS]:
        return node
    plan = m[node + N_PLAN]
    if plan == 0 or m[HELD] != 0:
        return node
    m[OUT_OF_RANGE] = 0
    m[HAS_MOVED] = m[plan + P_COUNT] != 0 and moves(uc, m, plan)
    if m[HAS_MOVED] and m[plan + P_RANGES] != 0:
        m[STEPS] = m[plan + P_RANGES]
        call_look(m[FN_EVALUATE], uc, plan, m[ARENA])
    if m[OUT_OF_RANGE] or m[plan + P_VAIN] > m[plan + P_PATIENCE]:
        m[WANTED] = plan
        return 0
    return node


@njit(**INTERNAL)
def _learn(uc, m, plan):
    """Take the steps of a plan when their turn has come; the signature stays what they came to last."""
    m[plan + P_COUNTDOWN] -= 1
    if m[plan + P_COUNTDOWN] <= 0:
        before = m[plan + P_SIGNATURE]
        call_look(m[FN_EVALUATE], uc, plan, m[ARENA])
        interval = 1
        if m[plan + P_SIGNATURE] == before:
            longest = LONGEST_INTERVAL if m[plan + P_HAS_CHANGED] else STEADY_INTERVAL
            interval = min(longest, 2 * m[plan + P_INTERVAL] + 1)
        elif m[plan + P_INTERVAL] != 0:
            m[plan + P_HAS_CHANGED] = 1
        m[plan + P_COUNTDOWN] = m[plan + P_INTERVAL] = interval


@njit(**INTERNAL)
def begin(uc, m, node):
    """A block begins to run: what its entry tells of its accesses."""
    m[NODE] = node
    for exit_ in (m[node + N_EXIT], m[node + N_EXIT + 1]):  # one of which is read when the block has run
        prefetch(m[ARENA] + 8 * exit_)
    m[SIGNATURE] = 0
    m[SERIAL] += 1
    m[INSTRUCTIONS] += m[node + N_INSTRUCTIONS]
    plan = m[node + N_PLAN]
    if m[HELD] != 0:
        return
    m[PLAN] = plan
    if plan == 0:
        m[HOOKED_FROM] = 0
        return
    m[HOOKED_FROM] = m[plan + P_FROM]
    if m[plan + P_COUNT] != 0:
        if m[LEARNS]:
            _learn(uc, m, plan)
        elif m[HAS_MOVED]:
            m[STEPS] = m[plan + P_COUNT]
            call_look(m[FN_EVALUATE], uc, plan, m[ARENA])
        elif m[plan + P_RESTLESS] != 0:
            call_look(m[FN_RESTLESS], uc, plan, m[ARENA])
        m[SIGNATURE] = m[plan + P_SIGNATURE]


# -- exits


@njit(**INTERNAL)
def _find_exit(m, node, taken, signature, next_address):
    slot = mix(mix(node, taken), signature) & ((2 << EXIT_BITS) - 1)
    while m[EXIT_HASH + slot] != 0:
        known = m[EXIT_HASH + slot]
        if m[known + X_NODE] == node and m[known + X_TAKEN] == taken and m[known + X_SIGNATURE] == signature:
            return known
        slot = (slot + 1) & ((2 << EXIT_BITS) - 1)
    known = EXITS + EXIT_STRIDE * m[EXIT_COUNT]
    m[EXIT_COUNT] += 1
    m[EXIT_HASH + slot] = known
    m[known + X_NODE] = node
    m[known + X_TAKEN] = taken
    m[known + X_SIGNATURE] = signature
    m[known + X_TARGET] = 0
    if m[PLAN] != 0 and not m[LEARNS]:
        recall(m, m[PLAN])
    m[ARGUMENT] = known
    call_block(m[FN_WORK_OUT], next_address, m[ARENA])
    return known


@njit(**INTERNAL)
def settle(m, next_address):
    """The running block has ended and the flow goes to next_address: charge it. Returns its exit, 0 if none ran."""
    node = m[NODE]
    if node == 0:
        return 0
    m[NODE] = 0
    taken = np.int64(next_address != m[node + N_END])
    signature = m[SIGNATURE]
    if m[TRACKS_LINES]:
        m[PEEKED_LINE] = 0
        signature = mix(signature, _enter_lines_again(m, node, taken))
    known = m[node + N_EXIT + taken]
    if known == 0 or m[known + X_SIGNATURE] != signature:
        known = _find_exit(m, node, taken, signature, next_address)
        m[node + N_EXIT + taken] = known
    if m[TRACKS_LINES] and m[PEEKED_LINE] and m[known + X_PEEKED] > m[LINES_ENTERED]:
        _use_line(m, m[PEEKED_LINE], m[CODES + m[LINES_ENTERED]])
    m[STATE] = m[known + X_STATE]
    m[CYCLES] += m[known + X_CYCLES]
    if m[FN_COUNT] != 0:
        call_look(m[FN_COUNT], known, next_address, m[ARENA])
    return known
