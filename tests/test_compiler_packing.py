"""Buffers in one memory: none meets one that is alive when it is, and few bytes are lost between them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.compiler.planning.packing import pack, pack_apart

MOMENTS = 12
buffers = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, MOMENTS - 1), st.integers(1, MOMENTS)), min_size=1, max_size=12
)


def _alive(first: int, length: int) -> np.ndarray:
    return (np.arange(MOMENTS) >= first) & (np.arange(MOMENTS) < first + length)


@settings(max_examples=40, deadline=None)
@given(buffers)
def test_no_two_that_are_alive_together_meet(drawn: list[tuple[int, int, int]]) -> None:
    sizes, alive = [8 * size for size, _, _ in drawn], [_alive(first, length) for _, first, length in drawn]
    offsets, end = pack(sizes, alive)
    assert end == max(offset + size for offset, size in zip(offsets, sizes, strict=True))
    assert all(offset % 8 == 0 and offset >= 0 for offset in offsets)
    for i in range(len(sizes)):
        for j in range(i):
            if np.any(alive[i] & alive[j]):
                assert offsets[i] + sizes[i] <= offsets[j] or offsets[j] + sizes[j] <= offsets[i]


def test_the_search_finds_what_the_largest_first_does_not() -> None:
    # Largest first ends at 96; at moment 3 and 4, 72 are alive.
    sizes, alive = [40, 32, 32, 24], [_alive(3, 1), _alive(1, 4), _alive(5, 2), _alive(4, 3)]
    assert sum(size for size, of in zip(sizes, alive, strict=True) if of[3]) == 72
    assert pack(sizes, alive)[1] == 72


def test_the_same_buffers_get_the_same_places() -> None:
    rng = np.random.default_rng(3)
    sizes = (8 * rng.integers(1, 50, 30)).tolist()
    alive = [_alive(int(a), int(b)) for a, b in rng.integers(1, MOMENTS, (30, 2))]
    assert pack(sizes, alive) == pack(sizes, alive)


def test_nothing_takes_nothing() -> None:
    assert pack([], []) == ([], 0)


@settings(max_examples=30, deadline=None)
@given(buffers, st.integers(40, 200), st.integers(0, 2**12 - 1))
def test_two_memories_hold_what_fits_and_no_two_that_are_alive_together_meet(
    drawn: list[tuple[int, int, int]], units: int, preferred: int
) -> None:
    sizes, alive = [8 * size for size, _, _ in drawn], [_alive(first, length) for _, first, length in drawn]
    prefers = [preferred >> i & 1 for i in range(len(sizes))]
    room = (8 * units, 8 * 480)
    places = pack_apart(sizes, alive, prefers, room)
    assert places is not None  # the second memory has room for all of them
    for i, (memory, offset) in enumerate(places):
        assert 0 <= offset <= room[memory] - sizes[i]
        for j in range(i):
            if places[j][0] == memory and np.any(alive[i] & alive[j]):
                assert offset + sizes[i] <= places[j][1] or places[j][1] + sizes[j] <= offset


def test_what_fits_neither_memory_has_no_place() -> None:
    assert pack_apart([16, 16, 16], [_alive(0, 2)] * 3, [0, 0, 1], (16, 24)) is None


def test_two_memories_are_filled_without_loss_where_an_order_allows_it() -> None:
    # All are alive at moment 2: 40 and 24 fill the first memory, which the largest first, 40 and 32, overflows.
    sizes, alive = [40, 32, 24, 16], [_alive(2, 1)] * 4
    places = pack_apart(sizes, alive, [0, 0, 0, 0], (64, 48))
    assert places is not None
    ends = [max(offset + sizes[i] for i, (m, offset) in enumerate(places) if m == memory) for memory in (0, 1)]
    assert sum(ends) == sum(sizes)
