"""Blocks of zeros in recurrent matrices: found in the tensors, packed as the kernels read them."""

from __future__ import annotations

import numpy as np
import pytest
from networks import in_blocks, quantised, small, tied

from hil.compiler.kernels.sparse import BLOCK_CODE_BYTES, blocks, kept, packed_blocks, room
from hil.compiler.kernels.weights import packed
from hil.compiler.planning.predict import predict
from hil.compiler.quantised import graph as q


def _masked(kept: int, size: int = 16) -> np.ndarray:
    rng = np.random.default_rng(kept)
    matrix = rng.integers(1, 100, (size, size)).astype(np.int16)
    for pair in range(0, size, 2):
        for word in rng.permutation(size // 2)[kept:]:
            matrix[pair : pair + 2, 2 * word : 2 * word + 2] = 0
    return matrix


@pytest.mark.parametrize("kept", [1, 2, 3, 5])
def test_as_many_blocks_as_the_fullest_pair_of_rows_keeps(kept: int) -> None:
    assert blocks(_masked(kept)) == kept


def test_a_dense_matrix_and_one_that_keeps_nearly_all_are_dense() -> None:
    assert blocks(_masked(8)) == blocks(_masked(7)) == 0


def test_the_average_decides_and_the_fullest_pair_sets_the_loop() -> None:
    matrix = _masked(2)
    matrix[4:6] = 1
    assert blocks(matrix) == 8 and kept(matrix) == (7 * 2 + 8) / 8


def test_odd_and_long_matrices_are_dense() -> None:
    assert blocks(np.zeros((5, 16), np.int16)) == blocks(np.zeros((16, 5), np.int16)) == 0
    assert blocks(np.zeros((32, 32), np.int16)) == 0


def test_zeros_alone_keep_a_block() -> None:
    assert blocks(np.zeros((16, 16), np.int16)) == 1


def test_packed_blocks_are_the_matrix() -> None:
    matrix = _masked(3)
    matrix[6:8] = 0
    matrix[0:2, 0:2] = 0
    found = np.zeros_like(matrix)
    for pair, of_pair in enumerate(packed_blocks(matrix)):
        skipped, high, *words = of_pair.tolist()
        count = 3 - skipped // BLOCK_CODE_BYTES
        assert len(words) == 6 * count and skipped % BLOCK_CODE_BYTES == high == 0
        for offset, high, *weights in np.reshape(words, (count, 6)).tolist():
            assert offset % 4 == 0 and high == 0
            found[2 * pair : 2 * pair + 2, offset // 2 : offset // 2 + 2] = np.reshape(weights, (2, 2))
    np.testing.assert_array_equal(found, matrix)


def test_offsets_stand_behind_the_blocks_of_their_pair() -> None:
    values = packed(_masked(3), np.arange(16) * 100_000)
    assert values.size == 8 * (2 + 3 * 6 + 4)
    assert values.reshape(8, 24)[5, 20:].view("<i4").tolist() == [1_000_000, 1_100_000]
    assert packed(_masked(3), np.zeros(0, np.int32)).size == 8 * (2 + 3 * 6)


def test_the_compiler_finds_blocks_and_ties_by_itself() -> None:
    dense = quantised(small("rnnpool_face_m4", 72, 88))
    sparse = quantised(in_blocks(tied(small("rnnpool_face_m4", 72, 88))))
    pools = [next(x for x in graph.layers if isinstance(x, q.QPool)) for graph in (dense, sparse)]
    for cell in (pools[0].cell1, pools[0].cell2):
        assert not cell.is_tied and blocks(cell.u.T) == room(cell) == 0
    for cell in (pools[1].cell1, pools[1].cell2):
        assert cell.is_tied and kept(cell.u.T) == 3 <= blocks(cell.u.T) and room(cell) == 48
    assert kept(pools[1].cell2.w.T) == 3
    assert predict(pools[1]) < 0.75 * predict(pools[0])
