"""Processes that do the same at the same time, in drawn orders: files are whole, counts right, locks outlive nobody."""

from __future__ import annotations

import os
import random
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.files import write_text
from hil.firmware import kept
from hil.locks import Lock, held

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
PROCESSES, STEPS, SEEDS = 4, 10, 5  # 200 steps, each before, after or among those of three others
PARTS = {"firmware.elf": "e" * 5000, "stack_usage/a.su": "s" * 100}


def rewrite(folder: Path, dice: random.Random) -> None:
    letter = dice.choice("abcd")
    write_text(folder / "run.json", letter * dice.choice((10, 70_000)))


def look(folder: Path, dice: random.Random) -> None:
    path = folder / "run.json"
    text = path.read_text() if path.exists() else "a" * 10
    assert len(set(text)) == 1 and len(text) in (10, 70_000)


def count(folder: Path, dice: random.Random) -> None:
    with held(f"the count in {folder}"):
        path = folder / "count"
        path.write_text(str(int(path.read_text()) + 1 if path.exists() else 1))


def keep(folder: Path, dice: random.Random) -> None:
    kept.keep(dice.choice(("one", "two")), folder / "made")


def take(folder: Path, dice: random.Random) -> None:
    taken = folder / f"taken-{os.getpid()}-{dice.random()}"
    if kept.take(dice.choice(("one", "two")), taken):
        assert {name: (taken / name).read_text() for name in PARTS} == PARTS


ACTS: list[Callable[[Path, random.Random], None]] = [rewrite, look, count, keep, take]


def child(folder: Path, seed: str) -> int:
    dice = random.Random(seed)
    try:
        for _ in range(STEPS):
            dice.choice(ACTS)(folder, dice)
            count(folder, dice)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


@pytest.mark.parametrize("seed", range(SEEDS))
def test_drawn_orders_of_steps_leave_everything_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setenv("HIL_CACHE", str(tmp_path / "cache"))
    for name, content in PARTS.items():
        (tmp_path / "made" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "made" / name).write_text(content)
    children = []
    for number in range(PROCESSES):
        pid = os.fork()
        if pid == 0:
            os._exit(child(tmp_path, f"{seed} {number}"))
        children.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * PROCESSES
    assert int((tmp_path / "count").read_text()) >= PROCESSES * STEPS
    assert not list(tmp_path.glob(".hil-*")), "nothing is left"


def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_CACHE", str(tmp_path))
    pid = os.fork()
    if pid == 0:
        Lock("the board").acquire()
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    assert Lock("the board").is_free()
