"""Processes that build different firmware in one folder at the same time each run their own."""

from __future__ import annotations

import dataclasses
import os
import random
import time
import traceback
from pathlib import Path

import pytest
from networks import TINY, detector, quantised
from stub_firmware import need

from hil import board, caches
from hil.firmware.build import NATIVE, Firmware, build_graph
from hil.link import Client
from hil.targets.native import NativeTarget

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
F407 = board.load("stm32f407_disco")
NETWORK = detector(TINY)
GRAPHS = [dataclasses.replace(quantised(NETWORK), model=name) for name in ("one", "other")]
PROCESSES, STEPS = 3, 3


def make(directory: Path, which: int) -> Firmware:
    return build_graph(GRAPHS[which], NETWORK, F407, directory, NATIVE)


def says(firmware: Firmware) -> str:
    """Which network runs."""
    with NativeTarget(F407) as target:
        target.boot(firmware.elf)
        return Client(target).hello().model_name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    need("cmake", "cc")
    return tmp_path / "generated"


def test_what_another_builds_in_its_place_does_not_change_what_runs(folder: Path) -> None:
    one = make(folder, 0)
    other = make(folder, 1)
    assert (says(one), says(other)) == ("one", "other")
    assert one.shown_elf == other.shown_elf and folder in one.shown_elf.parents
    assert one.elf_hash != other.elf_hash


def place(folder: Path) -> int:
    """Tells one build there from the next; 0 between two."""
    try:
        return folder.stat().st_ino
    except FileNotFoundError:
        return 0


def child(folder: Path, dice: random.Random) -> int:
    try:
        for _ in range(STEPS):
            which, begun_s = dice.randrange(2), time.monotonic()
            made = make(folder, which)
            here, took_s = place(folder), time.monotonic() - begun_s
            until_s = time.monotonic() + dice.uniform(0, 3) * took_s
            while place(folder) == here and time.monotonic() < until_s:
                time.sleep(0.01)
            assert says(made) == GRAPHS[which].model
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def test_drawn_orders_of_builds_leave_each_its_own(folder: Path) -> None:
    make(folder, 0), make(folder, 1)  # compiled once; from then on both are kept
    children = []
    for number in range(PROCESSES):
        pid = os.fork()
        if pid == 0:
            os._exit(child(folder, random.Random(number)))
        children.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * PROCESSES
    assert not list(folder.parent.glob(".hil-*")), "nothing is left"


def test_a_copy_goes_with_its_process(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_CACHE", str(tmp_path / "cache"))
    pid = os.fork()
    if pid == 0:
        make(folder, 0)
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    left = list(caches.folder("running").iterdir())
    assert len(left) == 1
    mine = make(folder, 0)
    assert not left[0].exists() and caches.folder("running") in mine.elf.parents
