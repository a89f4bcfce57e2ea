"""An RNNPool row in parts of some windows: every column once, memory for as long as it is needed, the same bits."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import ClassifierSpec, images, in_blocks, quantised, randomise
from test_compiler_c import Program, needs_gcc
from test_kernels_on_sim import BOARD, _firmware, assert_bit_exact
from torch import Tensor, nn

from hil.compiler import make_plan, run
from hil.compiler.check import check_plan
from hil.compiler.emit import description
from hil.compiler.kernels import windows
from hil.compiler.planning.schedule import Replay, nodes_of
from hil.compiler.quantised import graph as q
from hil.reference.blocks import ConvBnRelu6
from hil.reference.rnnpool import RnnPool


class Pools(nn.Module):
    """Windows of which five, three, two or one are open at once; W2's products larger than the states they replace."""

    def __init__(self, last: str = "fastgrnn") -> None:
        super().__init__()
        torch.manual_seed(14)
        self.spec = ClassifierSpec("pools", (3, 60, 70))
        self.layers = nn.Sequential(
            ConvBnRelu6(3, 4, 3, 2),
            RnnPool(4, 8, 6, patch=5, stride=1),
            RnnPool(24, 4, 8, patch=6, stride=2),
            RnnPool(32, 4, 20, patch=4, stride=2, cell=last),
            RnnPool(80, 8, 2, patch=2, stride=2),  # more channels than a round of cell_project_wide_pixels takes
        )
        self.linear = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.layers(x).mean([2, 3]))


class OneRow(nn.Module):
    """One row of windows, which would share rows with a next: no other is ever open, and no buffer waits for one."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(14)
        self.spec = ClassifierSpec("one_row", (3, 8, 13))
        self.pool = RnnPool(3, 6, 6, patch=6, stride=3)
        self.linear = nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.pool(x).mean([2, 3]))


@pytest.fixture
def in_threes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts as small as the kernels take them."""
    monkeypatch.setattr(windows, "PART_BYTES", 64)


@cache
def _made(last: str = "fastgrnn", kept: int = 0) -> tuple[Pools, q.QuantisedGraph]:
    """A network and its graph. kept: blocks of 2x2 that a pair of units keeps; 0: all."""
    network = randomise(Pools(last))
    return network, quantised(in_blocks(network, kept) if kept else network)


def _pools(graph: q.QuantisedGraph) -> list[q.QPool]:
    return [layer for layer in graph.layers if isinstance(layer, q.QPool)]


@pytest.mark.usefixtures("in_threes")
def test_the_parts_have_each_window_and_each_column_once() -> None:
    pools = _pools(_made()[1])
    assert sum(len(windows.parts(pool)) > 1 for pool in pools) >= 2
    for pool in pools:
        across, found = pool.windows[1], windows.parts(pool)
        assert sum(count for count, _ in found) == across
        assert sum(columns for _, columns in found) == (across - 1) * pool.stride + pool.patch


def test_a_part_is_as_large_as_its_memory_allows() -> None:
    pool = _pools(_made()[1])[0]
    assert len(windows.parts(pool)) == 1 and windows.at_once(pool) == pool.windows[1]
    scratch = next(buffer for buffer in windows.buffers(pool) if buffer.part == "scratch")
    assert scratch.bytes <= windows.PART_BYTES


def test_what_the_next_window_row_takes_over_outlives_the_rest() -> None:
    graph = _made()[1]
    replay = Replay(graph.input, nodes_of(graph))
    for pool in _pools(graph):
        number = next(i for i, node in enumerate(replay.nodes) if node.name == pool.name)
        completed = [window * pool.stride + pool.patch - 1 for window in range(pool.windows[0])]
        assert [step for step, emits in enumerate(replay.nodes[number].emits) if emits][: len(completed)] == completed
        for buffer in windows.buffers(pool):
            if buffer.life in ("newest", "new row"):
                rows = list(windows.rows_alive(pool, buffer))
                assert all(0 <= first <= last for first, last in rows)
                assert all(last < first for (_, last), (first, _) in zip(rows, rows[1:], strict=False))
                assert [last for _, last in rows] == completed[: len(rows)]


@needs_gcc
@pytest.mark.usefixtures("in_threes")
@pytest.mark.parametrize(("last", "kept"), [("fastgrnn", 0), ("gru", 1), ("lstm", 0)])
def test_every_layer_is_bit_equal_in_parts(last: str, kept: int, tmp_path: Path) -> None:
    network, graph = _made(last, kept)
    program = Program(graph, tmp_path)
    for image in images(network, 2, seed=9):
        trace, (made, _) = run(graph, image), program.run(image)
        for name, values in made.items():
            np.testing.assert_array_equal(values, trace[name], err_msg=name)


@pytest.mark.usefixtures("in_threes")
@pytest.mark.parametrize(("last", "kept"), [("fastgrnn", 0), ("gru", 1)])
def test_the_boards_loops_are_bit_equal_in_parts(last: str, kept: int, tmp_path: Path) -> None:
    network, graph = _made(last, kept)
    assert_bit_exact(graph, _firmware(graph, tmp_path), network)


def test_a_single_row_of_windows_needs_no_room_for_a_next(tmp_path: Path) -> None:
    network = randomise(OneRow())
    graph = quantised(network)
    assert "newest" not in {buffer.part for buffer in windows.buffers(_pools(graph)[0])}
    assert_bit_exact(graph, _firmware(graph, tmp_path), network)


def test_an_arena_whose_last_buffer_is_no_multiple_of_eight_is_taken() -> None:
    graph = quantised(randomise(OneRow()))
    plan = make_plan(graph, BOARD)
    assert any((one.offset + one.bytes) % 8 for one in plan.buffers) and plan.arena_bytes % 8 == 0
    check_plan(json.loads(json.dumps(description(graph, plan, "0" * 16))), graph)
