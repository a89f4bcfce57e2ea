"""Counts, for a profile, how often each exit of a block was taken, and by which chain of calls it was reached.

A table of its own (int64 words) in the arena's PROFILE. A context is a chain of calls: a parent and the address that it
called. Calls are BL and BLX; a branch to the address behind the innermost call returns from it.
"""

# mypy: disable-error-code="no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

from numba import types

from hil.timing.compiled.layout import F_CALLS, F_RETURNS, N_END, N_FLAGS, PROFILE, X_NODE
from hil.timing.compiled.native import as_words, hook
from hil.timing.compiled.pipeline import ARENA_POINTER, mix

# -- words of the table
CONTEXT, CONTEXT_COUNT, DEPTH, COUNTED, IS_FULL = range(5)
CONTEXT_BITS, COUNT_BITS, STACK_DEPTH = 12, 19, 256
CONTEXTS = 16  # parent, address
CONTEXT_HASH = CONTEXTS + (2 << CONTEXT_BITS)  # a context's number + 1
STACK = CONTEXT_HASH + (2 << CONTEXT_BITS)  # where to return to, the context there
COUNTS = STACK + 2 * STACK_DEPTH  # exit | context << 40, count
TABLE_WORDS = COUNTS + (2 << COUNT_BITS)
CONTEXT_SHIFT = 40


@hook(types.void(types.int64, types.int64, ARENA_POINTER))
def count(exit_, next_address, m):
    """A block has run and left by an exit for next_address."""
    p = as_words(m[PROFILE])
    key = exit_ | p[CONTEXT] << CONTEXT_SHIFT
    slot = mix(key, 0) & ((1 << COUNT_BITS) - 1)
    while p[COUNTS + 2 * slot] != key and p[COUNTS + 2 * slot] != 0:
        slot = (slot + 1) & ((1 << COUNT_BITS) - 1)
    if p[COUNTS + 2 * slot] == 0:
        if p[COUNTED] >= (1 << COUNT_BITS) - 64:
            p[IS_FULL] = 1
            return
        p[COUNTED] += 1
        p[COUNTS + 2 * slot] = key
    p[COUNTS + 2 * slot + 1] += 1
    node = m[exit_ + X_NODE]
    if next_address == m[node + N_END]:
        return
    if m[node + N_FLAGS] & F_CALLS:
        if p[DEPTH] >= STACK_DEPTH or p[CONTEXT_COUNT] >= (1 << CONTEXT_BITS) - 1:
            p[IS_FULL] = 1
            return
        top = STACK + 2 * p[DEPTH]
        p[top] = m[node + N_END]
        p[top + 1] = p[CONTEXT]
        p[DEPTH] += 1
        slot = mix(mix(p[CONTEXT], 1), next_address) & ((2 << CONTEXT_BITS) - 1)
        while p[CONTEXT_HASH + slot] != 0:
            known = p[CONTEXT_HASH + slot] - 1
            if p[CONTEXTS + 2 * known] == p[CONTEXT] and p[CONTEXTS + 2 * known + 1] == next_address:
                p[CONTEXT] = known
                return
            slot = (slot + 1) & ((2 << CONTEXT_BITS) - 1)
        known = p[CONTEXT_COUNT]
        p[CONTEXT_COUNT] += 1
        p[CONTEXT_HASH + slot] = known + 1
        p[CONTEXTS + 2 * known] = p[CONTEXT]
        p[CONTEXTS + 2 * known + 1] = next_address
        p[CONTEXT] = known
    elif m[node + N_FLAGS] & F_RETURNS and p[DEPTH] > 0:
        top = STACK + 2 * (p[DEPTH] - 1)
        if p[top] == next_address:
            p[DEPTH] -= 1
            p[CONTEXT] = p[top + 1]
