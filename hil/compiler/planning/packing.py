"""Offsets in one memory, or two, for buffers of which some are never alive together, in as few bytes as a search finds.

Buffers are placed one after another, each in the lowest gap. Which order is best is searched for: a buffer that ends
at the top, or any other, is placed earlier or later, and the change stays unless it makes things worse. No order gets
below what is alive at one moment, where the search ends. The same buffers get the same offsets each time.
"""

from __future__ import annotations

import bisect
import random
from collections.abc import Sequence

import numpy as np

TRIES = 1000


def pack(sizes: Sequence[int], alive: Sequence[np.ndarray]) -> tuple[list[int], int]:
    """An offset for each buffer and where the highest one ends.

    sizes: bytes, multiples of the alignment; alive: bool (moments,) each, when a buffer holds something.
    """
    if not sizes:
        return [], 0
    least, neighbours = _least(sizes, alive), _neighbours(alive)
    order = sorted(range(len(sizes)), key=lambda i: -sizes[i])
    offsets, end = _fill(order, sizes, neighbours)
    best, chance = (offsets, end), random.Random(0)
    for _ in range(TRIES):
        if best[1] <= least:
            break
        changed = _changed(order, [i for i in order if offsets[i] + sizes[i] == end], chance)
        found, height = _fill(changed, sizes, neighbours)
        if height <= end:
            order, offsets, end = changed, found, height
            best = min(best, (found, height), key=lambda one: one[1])
    return best


def pack_apart(
    sizes: Sequence[int], alive: Sequence[np.ndarray], prefers: Sequence[int], room: tuple[int, int]
) -> list[tuple[int, int]] | None:
    """For each buffer a memory, 0 or 1, and an offset in it, so that both memories' highest ends are low in sum.

    prefers: the memory where a buffer goes if there is room; room: bytes of either. None where nothing is found that
    fits.
    """
    least = _least(sizes, alive)
    if least > sum(room):
        return None
    neighbours, lasting = _neighbours(alive), [int(moments.sum()) for moments in alive]
    orders = [
        sorted(range(len(sizes)), key=lambda i: -sizes[i]),
        sorted(range(len(sizes)), key=lambda i: (-lasting[i], -sizes[i])),
    ]
    tried = [(order, *_fill_apart(order, sizes, neighbours, prefers, room)) for order in orders]
    order, places, ends = min(tried, key=lambda one: sum(one[2]))
    chance = random.Random(0)
    for _ in range(TRIES):
        if sum(ends) <= least:
            break
        top = [i for i in order if places[i][1] + sizes[i] == ends[places[i][0]]]
        changed = _changed(order, top or order, chance)
        found, heights = _fill_apart(changed, sizes, neighbours, prefers, room)
        if sum(heights) <= sum(ends):
            order, places, ends = changed, found, heights
    return places if sum(ends) <= sum(room) else None


def _least(sizes: Sequence[int], alive: Sequence[np.ndarray]) -> int:
    """The bytes that are alive at one moment, at most."""
    return int((np.array(sizes)[:, None] * np.array(alive, np.float32)).sum(0).max())


def _neighbours(alive: Sequence[np.ndarray]) -> list[set[int]]:
    """For each buffer those that are alive with it."""
    moments = np.array(alive, np.float32)
    return [set(np.flatnonzero(row).tolist()) for row in moments @ moments.T > 0]


def _changed(order: list[int], top: list[int], chance: random.Random) -> list[int]:
    """The order with one buffer elsewhere, half of the times one of the top, half of the times near the beginning."""
    moved = chance.choice(top if chance.random() < 0.5 else order)
    changed = [i for i in order if i != moved]
    last = len(changed) if chance.random() < 0.5 else max(1, len(changed) // 4)
    changed.insert(chance.randrange(last + 1), moved)
    return changed


def _fill(order: list[int], sizes: Sequence[int], neighbours: list[set[int]]) -> tuple[list[int], int]:
    """Each buffer, in that order, at the lowest offset where it meets none that is alive when it is."""
    offsets, end = [0] * len(sizes), 0
    placed: list[tuple[int, int]] = []  # offset and number, in rising order
    for i in order:
        offsets[i] = _gap(sizes[i], neighbours[i], placed, sizes)
        end = max(end, offsets[i] + sizes[i])
        bisect.insort(placed, (offsets[i], i))
    return offsets, end


def _fill_apart(
    order: list[int], sizes: Sequence[int], neighbours: list[set[int]], prefers: Sequence[int], room: tuple[int, int]
) -> tuple[list[tuple[int, int]], list[int]]:
    """The same in two memories, each buffer in the other one where the one that it prefers has no room.

    The ends of both, which are beyond all room in sum where a buffer fits neither.
    """
    places, ends = [(0, 0)] * len(sizes), [0, 0]
    placed: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    for i in order:
        for memory in (prefers[i], 1 - prefers[i]):
            offset = _gap(sizes[i], neighbours[i], placed[memory], sizes)
            if offset + sizes[i] <= room[memory]:
                places[i], ends[memory] = (memory, offset), max(ends[memory], offset + sizes[i])
                bisect.insort(placed[memory], (offset, i))
                break
        else:
            return places, [sum(room), 1]
    return places, ends


def _gap(size: int, neighbours: set[int], placed: list[tuple[int, int]], sizes: Sequence[int]) -> int:
    """The lowest offset at which a buffer meets none of its neighbours."""
    offset = 0
    for start, other in placed:
        if other in neighbours:
            if offset + size <= start:
                break
            offset = max(offset, start + sizes[other])
    return offset
