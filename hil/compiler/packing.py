"""Offsets in one memory for buffers of which some are never alive together, in as few bytes as a search finds.

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
    moments = np.array(alive, np.float32)
    least = int((np.array(sizes)[:, None] * moments).sum(0).max())
    neighbours = [set(np.flatnonzero(row).tolist()) for row in moments @ moments.T > 0]
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
        offset, mine = 0, neighbours[i]
        for start, other in placed:
            if other in mine:
                if offset + sizes[i] <= start:
                    break
                offset = max(offset, start + sizes[other])
        offsets[i], end = offset, max(end, offset + sizes[i])
        bisect.insort(placed, (offset, i))
    return offsets, end
