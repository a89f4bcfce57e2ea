"""Recurrent matrices whose zeros come in blocks: 2 units by 2 values that a unit takes.

kernels/fastgrnn_blocks.h multiplies the blocks that are kept, with the place of each beside it. Pairs of units may keep
different numbers of blocks: the loop jumps over the code of those that a pair has not.
"""

from __future__ import annotations

import numpy as np

from hil.compiler.quantised import graph as q

MAX_VECTOR = 16  # values of a vector of which three fit the FPU's registers: kernels/fastgrnn_dsp.h
BLOCK_CODE_BYTES = 40  # of the loop, a block: kernels/fastgrnn_cell.h
DENSE_WORD, KEPT_BLOCK, BLOCKS_START = 11.5, 15.0, 9.0  # cycles of two units of three sequences in either loop


def blocks(matrix: np.ndarray) -> int:
    """Blocks of the pair of rows of a matrix (rows, length) that keeps most, if a loop over blocks is worth while.

    0 where it is not. Odd numbers of rows or values are dense. A matrix of zeros alone has one block.
    """
    if not kept(matrix):
        return 0
    return max(1, int(_is_kept(matrix).sum(1).max()))


def kept(matrix: np.ndarray) -> float:
    """Blocks that a pair of rows keeps on average, if a loop over blocks is worth while; 0 where it is not."""
    rows, length = matrix.shape
    if rows % 2 or length % 2 or length > MAX_VECTOR:
        return 0.0
    mean = max(float(_is_kept(matrix).sum(1).mean()), 0.1)
    return mean if KEPT_BLOCK * mean + BLOCKS_START < DENSE_WORD * length / 2 else 0.0


def packed_blocks(matrix: np.ndarray) -> list[np.ndarray]:
    """For each pair of rows its blocks as the kernels read them, int16.

    First the bytes of code that the loop jumps over for blocks that other pairs have and this one has not (int32), then
    for each block the bytes before its two values in a vector (int32), the first row's two weights, the second's.
    """
    pairs, most = [], blocks(matrix)
    for rows, is_kept in zip(_pairs(matrix), _is_kept(matrix), strict=True):
        order = np.flatnonzero(is_kept)
        found = np.zeros((len(order), 6), np.int16)
        found[:, 0], found[:, 2:] = 4 * order, rows[order].reshape(-1, 4)
        skipped = np.array([BLOCK_CODE_BYTES * (most - len(order)), 0], np.int16)
        pairs.append(np.concatenate([skipped, found.ravel()]))
    return pairs


def room(cell: q.Cell) -> int:
    """Values that a cell's states move by at each step, to and fro: the blocks' loop cannot write where it reads."""
    return 3 * cell.hidden if isinstance(cell, q.QCell) and blocks(cell.u.T) else 0


def _pairs(matrix: np.ndarray) -> np.ndarray:
    """(rows / 2, length / 2, 2, 2): of each block the first row's two values, then the second's."""
    rows, length = matrix.shape
    return matrix.reshape(rows // 2, 2, length // 2, 2).transpose(0, 2, 1, 3)


def _is_kept(matrix: np.ndarray) -> np.ndarray:
    return np.asarray(_pairs(matrix).any((2, 3)))
