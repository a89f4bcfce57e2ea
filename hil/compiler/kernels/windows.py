"""How kernels/rnnpool.h takes a row of an RNNPool, in parts of some windows, and the memory that it needs when.

Each row takes two moments of the schedule: its sweeps, then, where it completes a row of windows, what that needs.
After that a part of the states is moved, so that the layers behind find the rest of the room free until the next row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from hil.compiler.kernels.sparse import room
from hil.compiler.quantised import graph as q

AT_ONCE = 3  # sequences of the loops for FastGRNN, and of kernels/gated.h
PART_BYTES = 3072  # of W x of a part's columns, about
PART_COLUMNS = 128  # of a part: at so many, setting out on one more part takes no time to speak of

Life = Literal["always", "row", "sweeps", "finish", "newest", "new row"]


@dataclass(frozen=True)
class PoolBuffer:
    """A buffer of rnnpool_t, by its name there.

    life: from the first row to the last; while a row is worked on, or its first or second moment; from the first row of
    the window row that is completed last to the completion of the oldest; from a row that the oldest window row does
    not share with the one before to its completion. slot: which of these rows, counted modulo their number.
    """

    part: str
    bytes: int
    life: Life
    slot: int = 0


def phases(pool: q.QPool) -> int:
    """Window rows that are open at once."""
    return -(-pool.patch // pool.stride)


def kept(pool: q.QPool) -> int:
    """Rows, or columns, that neighbouring windows share."""
    return max(0, pool.patch - pool.stride)


def new_rows(pool: q.QPool) -> int:
    """Rows that a window row does not share with the one before, of those that it has."""
    return pool.patch - kept(pool)


def at_once(pool: q.QPool) -> int:
    """Windows of a part of a row, but of its last: a multiple of three, or all of them."""
    across, cell = pool.windows[1], pool.cell1
    fitting = (min(PART_BYTES // (2 * cell.rows), PART_COLUMNS) - pool.patch) // pool.stride + 1
    most = max(fitting, AT_ONCE)
    parts = -(-across // (most // AT_ONCE * AT_ONCE))
    return min(across, -(-across // (parts * AT_ONCE)) * AT_ONCE)


def widened(pool: q.QPool) -> int:
    """Values of a pair of pixels, which cell_project_wide_pixels widens where states lie later; 0 without it."""
    channels = pool.input.channels
    return 2 * channels if channels % 4 == 0 and channels > 4 and pool.cell1.rows % 2 == 0 else 0


def parts(pool: q.QPool) -> list[tuple[int, int]]:
    """For each part of a row its windows, and the columns that they cover and the part before does not."""
    across, most = pool.windows[1], at_once(pool)
    counts = [min(most, across - first) for first in range(0, across, most)]
    return [(n, n * pool.stride + (pool.patch - pool.stride if i == 0 else 0)) for i, n in enumerate(counts)]


def buffers(pool: q.QPool) -> Iterator[PoolBuffer]:
    """The buffers that a pool needs, none of them empty."""
    across = pool.windows[1]
    one, two, most, number = pool.cell1, pool.cell2, at_once(pool), len(parts(pool))
    width = (across - 1) * pool.stride + pool.patch
    phase = 2 * (width * one.state + number * room(one))
    row = 2 * across * two.rows
    covered = (most - 1) * pool.stride + max(pool.patch, pool.stride)
    sums = max(4 * cell.hidden if isinstance(cell, q.QCell) else 2 * AT_ONCE * cell.rows for cell in (one, two))
    sizes: dict[str, tuple[int, Life]] = {
        "columns": ((phases(pool) - 1) * phase, "always"),
        "newest": (phase if phases(pool) <= pool.windows[0] else 0, "newest"),  # of one that is open beside all others
        "row_ring": (kept(pool) * row, "always"),
        "scratch": (2 * covered * one.rows, "sweeps"),
        "states": (2 * max(*(most * cell.state + room(cell) for cell in (one, two)), widened(pool)), "row"),
        "sums": (sums, "row"),
        "one": (2 * two.rows, "finish"),
        "projected": (2 * width * two.rows if two.rows > one.hidden else 0, "finish"),
    }
    yield from (PoolBuffer(part, size, life) for part, (size, life) in sizes.items() if size)
    yield from (PoolBuffer(f"new_row{slot}", row, "new row", slot) for slot in range(new_rows(pool)))


def rows_alive(pool: q.QPool, buffer: PoolBuffer) -> Iterator[tuple[int, int]]:
    """First and last row of each stretch in which a buffer holds something whose life is "newest" or "new row"."""
    for window in range(pool.windows[0]):
        last = window * pool.stride + pool.patch - 1
        newest = window + phases(pool) - 1
        if buffer.life == "new row":
            first = max(0, window * pool.stride + pool.patch - pool.stride)
            yield first + (buffer.slot - first) % new_rows(pool), last
        elif newest < pool.windows[0]:
            yield newest * pool.stride, last
