"""Power lost at every operation on files, and a full disk at each: nothing half-written is taken as good."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import power
import pytest

from hil import board
from hil.errors import HilError
from hil.evaluation.journal import Journal
from hil.files import write_text
from hil.firmware import kept
from hil.targets.native import NativeTarget
from hil.targets.recording import Recorder, Recording
from hil.torture import campaign

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
OLD, NEW = "old " * 200, "new " * 300
BOX = np.array([[1, 2, 30, 40, 0.75]], np.float32)


def rewrite(path: Path) -> None:
    write_text(path, NEW)


def test_a_file_is_the_old_one_or_the_new_one_whenever_power_fails(tmp_path: Path) -> None:
    path, seen = tmp_path / "run.json", set()
    write_text(path, OLD)
    for _ in power.failing(lambda: rewrite(path), tmp_path):
        seen.add(path.read_text())
        write_text(path, OLD)
        assert list(tmp_path.iterdir()) == [path], "what the killed one left has gone"
    assert seen == {OLD, NEW}


def test_the_power_test_finds_a_sync_that_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, seen = tmp_path / "run.json", set()
    write_text(path, OLD)

    def careless() -> None:
        monkeypatch.setattr("hil.files.os.fsync", lambda descriptor: None)
        rewrite(path)

    for _ in power.failing(careless, tmp_path):
        seen.add(path.read_text())
        write_text(path, OLD)
    assert any(text not in (OLD, NEW) for text in seen)


def test_a_full_disk_leaves_the_old_file_and_a_line(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_text(path, OLD)
    for _ in power.failing(lambda: rewrite(path), tmp_path, is_full=True):
        assert path.read_text() in (OLD, NEW)
        assert list(tmp_path.iterdir()) == [path]


def add_two(path: Path) -> None:
    with Journal(path, {"way": "float"}) as journal:
        journal.add("a.jpg", BOX, 1, "a")
        journal.add("b.jpg", BOX, 1, "b")


@pytest.mark.parametrize("is_full", [False, True])
def test_a_journal_goes_on_whenever_it_was_stopped(tmp_path: Path, is_full: bool) -> None:
    path = tmp_path / "results.jsonl"
    for _ in power.failing(lambda: add_two(path), tmp_path, is_full):
        with Journal(path, {"way": "float"}) as found:
            assert all(np.array_equal(boxes, BOX) for boxes in found.boxes.values())
        path.unlink()


def test_a_campaign_goes_on_whenever_it_was_stopped(tmp_path: Path) -> None:
    path = tmp_path / "native-1.jsonl"
    block = campaign.Block(0, {"flip": 3}, {"exact": 100}, [])
    for _ in power.failing(lambda: campaign.keep(path, block), tmp_path):
        assert list(campaign.known(path)) in ([], [block])
        path.unlink(missing_ok=True)


def record(path: Path, elf: Path) -> None:
    with Recorder(NativeTarget(board.load("stm32f407_disco")), path) as target:
        target.boot(elf)
        target.write(b"\0\1\0")


def test_a_recording_that_broke_off_is_read_as_far_as_it_goes_or_named(tmp_path: Path, stub_native: Path) -> None:
    path = tmp_path / "session.rec"
    for _ in power.failing(lambda: record(path, stub_native), tmp_path):
        try:
            assert len(Recording.load(path).events) <= 2
        except HilError as error:
            assert "\n" not in str(error)
        path.unlink(missing_ok=True)


@pytest.mark.parametrize("is_full", [False, True])
def test_a_kept_build_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_full: bool) -> None:
    monkeypatch.setenv("HIL_CACHE", str(tmp_path / "cache"))
    made = tmp_path / "made"
    (made / "stack_usage").mkdir(parents=True)
    contents = {"firmware.elf": "e" * 900, "firmware.map": "m" * 50, "stack_usage/a.su": "s" * 10}
    for name, content in contents.items():
        (made / name).write_text(content)
    keep: Callable[[], None] = lambda: kept.keep("key", made)  # noqa: E731
    for at in power.failing(keep, tmp_path / "cache", is_full):
        taken = tmp_path / f"taken{at}"
        if kept.take("key", taken):
            assert {name: (taken / name).read_text() for name in contents} == contents
            assert kept.take("key", tmp_path / f"again{at}")
