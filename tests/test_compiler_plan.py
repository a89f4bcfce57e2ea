"""The plan: nothing alive overlaps, rings are as deep as needed and no deeper, and what does not fit is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import TINY, Classifier, detector, quantised, randomise, small

from hil import board as boards
from hil.board import Board, Memory
from hil.compiler import QuantisedGraph, load_graph, make_plan, save_graph
from hil.compiler.emit import description, model_source
from hil.compiler.planning.plan import Plan
from hil.compiler.planning.schedule import Replay
from hil.errors import HilError

BOARD = boards.load("stm32f407_disco")


@pytest.fixture(scope="module", params=["tiny", "m4", "quant", "classifier"])
def graph(request: pytest.FixtureRequest) -> QuantisedGraph:
    made = {
        "tiny": lambda: detector(TINY),
        "m4": lambda: small("rnnpool_face_m4", 72, 88),
        "quant": lambda: small("rnnpool_face_quant", 128, 160),
        "classifier": lambda: randomise(Classifier()),
    }
    return quantised(made[request.param]())


def _replay(graph: QuantisedGraph, plan: Plan) -> Replay:
    return Replay(graph.input, plan.nodes)


def test_rows_are_still_there_when_they_are_read(graph: QuantisedGraph) -> None:
    plan = make_plan(graph, BOARD)
    replay = _replay(graph, plan)
    for name in replay.made:
        depth, made, read = plan.depth[name], replay.made[name], replay.read[name]
        for row in range(depth, len(made)):
            assert made[row] > read[row - depth], f"{name}: row {row} overwrites row {row - depth} before it is read"


def test_no_ring_is_deeper_than_needed(graph: QuantisedGraph) -> None:
    plan = make_plan(graph, BOARD)
    replay = _replay(graph, plan)
    for name in replay.made:
        depth, made, read = plan.depth[name], replay.made[name], replay.read[name]
        if depth > 1:
            assert any(made[row] <= read[row - depth + 1] for row in range(depth - 1, len(made))), name


def test_buffers_alive_at_once_do_not_overlap(graph: QuantisedGraph) -> None:
    plan = make_plan(graph, BOARD)
    replay = _replay(graph, plan)
    rings = [b for b in plan.buffers if b.name.removesuffix("_rows") in replay.made]
    for a in rings:
        for b in rings:
            is_apart = a.place != b.place or a.offset + a.bytes <= b.offset or b.offset + b.bytes <= a.offset
            alive = [replay.alive(x.name.removesuffix("_rows")) for x in (a, b)]
            assert a is b or is_apart or not np.any(alive[0] & alive[1]), (a, b)


def test_every_layer_finishes(graph: QuantisedGraph) -> None:
    plan = make_plan(graph, BOARD)
    replay = _replay(graph, plan)
    for tensor in replay.tensors:
        assert len(replay.made[tensor.name]) == tensor.height


def test_maps_are_held_in_rows_not_whole() -> None:
    plan = make_plan(quantised(small("rnnpool_face_m4", 240, 320)), BOARD)
    assert plan.depth["mob0_expand"] == 2  # and a piece of the third
    assert plan.depth["conv0"] == 1
    assert plan.arena_bytes < 96 * 1024


def _shrunk(board: Board, sram: int) -> Board:
    memory = {name: m for name, m in board.memory.items() if not name.startswith("sram")}
    memory["sram1"] = Memory("sram1", 0x2000_0000, sram)
    memory["ccm"] = replace(board.ccm, bytes=0)
    return replace(board, memory=memory)


def test_a_network_that_does_not_fit_names_buffer_and_bytes() -> None:
    graph = quantised(detector(TINY))
    needed = make_plan(graph, BOARD).arena_bytes
    said = r"buffer \w+ of \d+ bytes lacks \d+ bytes .*, and the schedule .* \d+ bytes in all; use"
    with pytest.raises(HilError, match=said):
        make_plan(graph, _shrunk(BOARD, BOARD.sram_reserved + needed // 2))


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    texts, files = [], []
    for i in range(2):
        graph = quantised(detector(TINY))
        texts.append(model_source(graph, make_plan(graph, BOARD)))
        save_graph(graph, tmp_path / f"{i}.npz")
        files.append((tmp_path / f"{i}.npz").read_bytes())
    assert texts[0] == texts[1]
    assert files[0] == files[1]


def test_a_graph_survives_the_disk(graph: QuantisedGraph, tmp_path: Path) -> None:
    save_graph(graph, tmp_path / "graph.npz")
    assert load_graph(tmp_path / "graph.npz").hash == graph.hash


def test_a_broken_graph_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "graph.npz").write_bytes(b"PK no")
    with pytest.raises(HilError, match="no quantised graph"):
        load_graph(tmp_path / "graph.npz")


def test_the_description_lists_layers_in_tap_order(graph: QuantisedGraph) -> None:
    plan = make_plan(graph, BOARD)
    found = description(graph, plan, "0" * 16)
    assert [layer["name"] for layer in found["layers"]] == [layer.name for layer in graph.layers]
    assert found["arena_bytes"] == plan.arena_bytes
