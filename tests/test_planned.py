"""Graph and plans in the user's cache: the same as without it, and never stale."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hil import board, zoo
from hil.compiler import make_plan
from hil.firmware import planned as kept
from hil.firmware.model import load_model
from hil.firmware.planned import plan_of, planned
from hil.reference import weights

M4, F407 = "rnnpool_face_m4", board.load("stm32f407_disco")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that has M4 in it."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIL_CACHE", str(folder))
        planned(M4, F407)
    return folder


@pytest.fixture
def cache(filled: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HIL_CACHE", str(filled))
    return filled


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that are compiled, in place of compiling them."""
    asked: list[str] = []

    def load(model: str) -> None:
        asked.append(model)
        raise InterruptedError

    monkeypatch.setattr(kept, "load_model", load)
    return asked


def test_what_is_kept_is_what_is_made(cache: Path, compiled: list[str]) -> None:
    graph, plans = planned(M4, F407)
    made, _ = load_model(M4)
    assert compiled == []
    assert graph.model == made.model and [layer.name for layer in graph.layers] == [layer.name for layer in made.layers]
    assert np.array_equal(graph.layers[0].weight, made.layers[0].weight)
    assert min(plans, key=lambda plan: plan.rank).buffers == make_plan(made, F407).buffers
    assert all(plan.board is F407 for plan in plans)


def test_a_plan_is_shown_without_torch(cache: Path, compiled: list[str]) -> None:
    assert plan_of(M4, F407)["model"] == M4 and compiled == []


def test_another_checkpoint_or_board_is_compiled(cache: Path, compiled: list[str], tmp_path: Path) -> None:
    source = zoo.find(M4)
    weights.save(weights.load(source), tmp_path / "mine.safetensors", weights.metadata(source) | {"note": "another"})
    smaller = replace(F407, memory=F407.memory | {"ccm": replace(F407.ccm, bytes=60_000)})
    for model, where in (
        (str(tmp_path / "mine.safetensors"), F407),
        (M4, smaller),
        (M4, board.load("stm32f429_disco")),
    ):
        with pytest.raises(InterruptedError):
            planned(model, where)
    assert len(compiled) == 3


def test_another_state_of_the_compiler_compiles_again(cache: Path, compiled: list[str], monkeypatch) -> None:
    monkeypatch.setattr(kept, "_state_of_the_compiler", lambda: b"changed")
    with pytest.raises(InterruptedError):
        planned(M4, F407)


def test_every_source_that_a_plan_follows_from_is_looked_at() -> None:
    """A room that has moved would leave plans of its former code in the cache."""
    assert [pattern for pattern in kept._SOURCES if not any(kept._PACKAGE.glob(pattern))] == []


def test_a_network_of_the_users_own_code_is_not_kept(tmp_path: Path) -> None:
    source = zoo.find(M4)
    own = weights.metadata(source) | {"made_by": "mine.py:make"}
    weights.save(weights.load(source), tmp_path / "mine.safetensors", own)
    assert kept._key(tmp_path / "mine.safetensors", F407) is None
    assert kept._key(source, F407) is not None
    (tmp_path / "text").write_text("no checkpoint")
    assert kept._key(tmp_path / "text", F407) is None


@pytest.mark.parametrize("content", [b"", b"damaged", b"\x80\x04."])
def test_what_is_damaged_is_made_again(cache: Path, monkeypatch, tmp_path: Path, content: bytes) -> None:
    monkeypatch.setenv("HIL_CACHE", str(tmp_path))
    monkeypatch.setattr("hil.compiler.frontier", lambda graph, board: [])
    key = kept._key(zoo.find(M4), F407)
    assert key is not None
    path = tmp_path / "plans" / key / "plans.pickle"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    graph, _ = planned(M4, F407)
    assert graph.model == M4 and path.read_bytes() != content


def test_what_was_changed_by_hand_is_made_again(cache: Path, monkeypatch, compiled: list[str], tmp_path: Path) -> None:
    """One weight of the graph, in a pickle that loads."""
    key = kept._key(zoo.find(M4), F407)
    assert key is not None
    whole = (cache / "plans" / key / "plans.pickle").read_bytes()
    graph, plans = pickle.loads(whole[kept._DIGEST_BYTES :])
    graph.layers[0].weight.flat[0] ^= 1
    path = tmp_path / "plans" / key / "plans.pickle"
    path.parent.mkdir(parents=True)
    path.write_bytes(whole[: kept._DIGEST_BYTES] + pickle.dumps((graph, plans)))
    monkeypatch.setenv("HIL_CACHE", str(tmp_path))
    with pytest.raises(InterruptedError):
        planned(M4, F407)


def test_a_cache_that_cannot_be_written_is_done_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HIL_CACHE", str(tmp_path))
    monkeypatch.setattr("hil.compiler.frontier", lambda graph, board: [])
    (tmp_path / "plans").write_text("in the way")
    graph, plans = planned(M4, F407)
    assert graph.model == M4 and plans == []
