"""The campaign that stops commands at their operations on files passes what is careful and finds what is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import kill_operations
import pytest
from kill_commands import Command, Trial

from hil.errors import HilError
from hil.files import write_text

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
MADE = "made " * 200
Step = Callable[[Path], object]


def careful(home: Path) -> None:
    write_text(home / "made", MADE)


def in_place(home: Path) -> None:
    """Believes what is there."""
    if not (home / "made").exists():
        with open(home / "made", "w") as file:
            file.write(MADE)
    (home / "after").mkdir(exist_ok=True)


def leaves_a_note(home: Path) -> None:
    (home / f"note{os.getpid()}").mkdir()
    careful(home)
    (home / f"note{os.getpid()}").rmdir()


def says_nothing_of_a_full_disk(home: Path) -> None:
    try:
        careful(home)
    except HilError as error:
        raise ValueError("no line") from error


@pytest.mark.parametrize(
    ("step", "is_full", "is_found"),
    [
        (careful, False, False), (careful, True, False), (in_place, False, True), (leaves_a_note, False, True),
        (says_nothing_of_a_full_disk, True, True), (says_nothing_of_a_full_disk, False, False),
    ],
)  # fmt: skip
def test_what_a_command_does_wrong_where_it_is_stopped_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: Step, is_full: bool, is_found: bool
) -> None:
    def act(_: Command, trial: Trial) -> None:
        step(trial.home)

    monkeypatch.setenv("HIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(kill_operations.COMMANDS, "step", Command((), same=("made",)))
    monkeypatch.setattr(kill_operations, "act", act)
    (tmp_path / "setting").mkdir()
    assert bool(kill_operations.campaign("step", tmp_path / "setting", tmp_path / "trial", is_full)) is is_found


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_command_that_is_stopped_ends_well_the_next_time() -> None:
    """In a process of its own, where no thread of another test's is lost by forking."""
    command = [sys.executable, kill_operations.__file__, "--short"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0 and done.stdout.count("1 operations, 0 ended otherwise") == 6, done.stdout + done.stderr
