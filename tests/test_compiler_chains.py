"""Chains: what each layer does in a turn fits together, and rows come in the right steps."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import TINY, RandomNetwork, detector, quantised, randomise, small

from hil.compiler import QuantisedGraph
from hil.compiler.kernels.loops import streamed_taps
from hil.compiler.kernels.memory import conv_chunk, conv_scratch, parts
from hil.compiler.planning.chains import MAX_LENGTH, Chain, can_repeat, candidates, chain, shape
from hil.compiler.quantised import graph as q


@cache
def graphs() -> list[QuantisedGraph]:
    return [
        quantised(detector(TINY)),
        quantised(small("rnnpool_face_m4", 72, 88)),
        *(quantised(randomise(RandomNetwork(seed))) for seed in range(6)),
    ]


@cache
def runs() -> list[tuple[q.Layer, ...]]:
    return [run for graph in graphs() for run in candidates(graph)]


chains = st.builds(
    lambda number, turns, is_again: chain(
        (run := runs()[number % len(runs())]), min(turns, run[-1].output.width), is_again and can_repeat(run)
    ),
    st.integers(0, 200), st.integers(1, 20), st.booleans(),
)  # fmt: skip


@given(chains)
@settings(deadline=None, max_examples=300)
def test_every_pixel_is_made_once_and_what_it_looks_at_is_there(made: Chain) -> None:
    for index, layer in enumerate(made.layers):
        turns, (kernel, stride, padding) = list(made.turns(index)), shape(layer)
        assert sum(turn.pixels for turn in turns) == layer.output.width
        assert sum(turn.ends_row for turn in turns) == 1
        assert all(turn.pixels != 1 for turn in turns) or layer.output.width == 1
        assert index == 0 or sum(turn.keep for turn in turns) == layer.inputs[0].width + 2 * padding
        for number, turn in enumerate(turns):
            if index and turn.pixels:
                there = padding + made.ends[index - 1][number] + padding * turn.ends_row
                last = (turn.done + turn.pixels - 1) * stride + kernel
                assert turn.first == turn.done * stride and last <= there
                before = padding + (made.ends[index - 1][number - 1] if number else 0)
                assert turn.first <= before, "columns that came before and are gone"
        if index:
            assert max(turn.carry + turn.keep for turn in turns) == made.piece_columns(index - 1)


@given(chains)
@settings(deadline=None, max_examples=100)
def test_every_row_is_made_once_and_in_order(made: Chain) -> None:
    rows: list[list[int]] = [[] for _ in made.layers]
    emitted = made.steps()
    for step, emits in enumerate(emitted):
        reached = made.rows(step)
        for index, row in enumerate(reached):
            if 0 <= row < made.layers[index].output.height:
                rows[index].append(row)
        assert emits == (len(reached) == len(made.layers) and reached[-1] < made.layers[-1].output.height)
    for index, layer in enumerate(made.layers):
        if index or not made.is_again:
            assert rows[index] == list(range(layer.output.height))


def test_runs_end_where_somebody_else_reads() -> None:
    for graph in graphs():
        found = candidates(graph)
        names = [layer.name for run in found for layer in run]
        assert len(names) == len(set(names)) and all(len(run) <= MAX_LENGTH for run in found)
        for run in found:
            assert all(graph.users(a.name) == [b] for a, b in zip(run, run[1:], strict=False))


def test_what_is_to_be_whole_ends_a_run() -> None:
    graph = graphs()[1]
    inside = next(run[0].name for run in candidates(graph) if len(run) > 1)
    assert all(run[-1].name == inside for run in candidates(graph, frozenset({inside})) if run[0].name == inside)


@given(st.integers(2, 200), st.integers(1, 100).map(lambda n: 2 * n))
def test_parts_are_never_single_pixels(pixels: int, chunk: int) -> None:
    found = list(parts(pixels, chunk))
    assert sum(found) == pixels and min(found) > 1 and max(found) <= chunk + 1


@pytest.mark.parametrize("limit", [1, 500, 2000, 8192])
def test_scratch_keeps_to_its_limit_while_it_can(limit: int) -> None:
    for run in runs():
        for layer in run:
            if isinstance(layer, q.QConv) and (chunk := conv_chunk(layer, [layer.output.width], limit)):
                assert (
                    chunk == (4 if streamed_taps(layer) else 2)
                    or conv_scratch(layer, [layer.output.width], chunk) <= limit
                )
