"""Writes down, for a timeline, each call of a function: when it began and ended, and how deep it was.

A table of its own (int64 words) in the arena's PROFILE, in the place of what a profile counts. Calls are BL and BLX; a
branch to the address behind the innermost call returns from it. Times are the board's cycles.
"""

# mypy: disable-error-code="no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numba import types

from hil.errors import HilError
from hil.timing.compiled import blockhook, hooks
from hil.timing.compiled import layout as at
from hil.timing.compiled.engine import Engine
from hil.timing.compiled.layout import CYCLES, F_CALLS, F_RETURNS, N_END, N_FLAGS, PROFILE, X_NODE
from hil.timing.compiled.native import as_words, hook
from hil.timing.compiled.pipeline import ARENA_POINTER

# -- words of the table: the board's state by its address, the shortest call that counts, and the calls
BOARD, SHORTEST, DEPTH, COUNT, IS_FULL = range(5)
STACK_DEPTH = 256
STACK = 8  # where to return to, the function, when it was called
CALLS = STACK + 3 * STACK_DEPTH  # function, begin, end, depth
MOST = 1 << 20
TABLE_WORDS = CALLS + 4 * MOST
_CHARGED = hooks.CHARGED  # constants of this module: numba cannot cache a function that reads another's attribute
_NOW = blockhook.CYCLES


@hook(types.void(types.int64, types.int64, ARENA_POINTER))
def note_call(exit_, next_address, m):
    """A block has run and left by an exit for next_address."""
    node = m[exit_ + X_NODE]
    leaves = m[node + N_FLAGS] & (F_CALLS | F_RETURNS)
    if leaves == 0 or next_address == m[node + N_END]:
        return
    t = as_words(m[PROFILE])
    s = as_words(t[BOARD])
    now = s[_NOW] + m[CYCLES] - s[_CHARGED]
    if leaves & F_CALLS:
        if t[DEPTH] >= STACK_DEPTH:
            t[IS_FULL] = 1
            return
        top = STACK + 3 * t[DEPTH]
        t[top] = m[node + N_END]
        t[top + 1] = next_address
        t[top + 2] = now
        t[DEPTH] += 1
    elif leaves & F_RETURNS and t[DEPTH] > 0:
        top = STACK + 3 * (t[DEPTH] - 1)
        if t[top] != next_address:
            return
        t[DEPTH] -= 1
        if now - t[top + 2] < t[SHORTEST]:
            return
        if t[COUNT] >= MOST:
            t[IS_FULL] = 1
            return
        call = CALLS + 4 * t[COUNT]
        t[COUNT] += 1
        t[call] = t[top + 1]
        t[call + 1] = t[top + 2]
        t[call + 2] = now
        t[call + 3] = t[DEPTH]


@dataclass(frozen=True)
class Call:
    """Of the function at an address, from a cycle to another, so many calls deep."""

    function: int
    begin: int
    end: int
    depth: int


class Calls:
    """Writes down calls from now until take(). shortest: cycles; shorter ones are left out."""

    def __init__(self, engine: Engine, board_state: int, shortest: int) -> None:
        self._engine = engine
        self._table = np.zeros(TABLE_WORDS, np.int64)
        self._table[BOARD], self._table[SHORTEST] = board_state, shortest
        m = engine.arena
        m[at.PROFILE], m[at.FN_COUNT] = self._table.ctypes.data, note_call.address

    def take(self, now: int) -> list[Call]:
        """All, outer ones before what they call; those that have not ended end now. Raises HilError for too many."""
        m, t = self._engine.arena, self._table
        m[at.FN_COUNT] = m[at.PROFILE] = 0
        if t[IS_FULL]:
            raise HilError(f"more than {MOST} calls, or {STACK_DEPTH} in each other: leave out more of the short ones")
        rows = t[CALLS : CALLS + 4 * int(t[COUNT])].reshape(-1, 4).tolist()
        ended = [Call(*row) for row in rows]
        return sorted([*ended, *self._open(now)], key=lambda call: (call.begin, call.depth))

    def _open(self, now: int) -> Iterator[Call]:
        for depth in range(int(self._table[DEPTH])):
            _, function, begin = (int(word) for word in self._table[STACK + 3 * depth :][:3])
            yield Call(function, begin, now, depth)
