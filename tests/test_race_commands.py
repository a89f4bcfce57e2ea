"""The campaign that runs two commands at once passes what is careful and finds what is not."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import race_commands
from kill_commands import Command, Trial

from hil.files import write_text
from hil.locks import held

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
MADE = "made " * 200


def hold(home: Path) -> None:
    """Stay until the other has come as far: a second after it began, three where it does not."""
    for _ in range(30):
        time.sleep(0.1)
        if len(list(home.parent.glob("there*"))) == 2:
            time.sleep(0.9)
            return


def careful(home: Path) -> None:
    write_text(home / "made", MADE)


def in_turn(home: Path) -> None:
    with held(f"the work in {home}"):
        in_place(home)


def in_place(home: Path) -> None:
    """Believes that nobody else is there."""
    (home / "work").mkdir()
    hold(home)
    (home / "work").rmdir()
    careful(home)


def leaves_a_note(home: Path) -> None:
    """Where somebody has been before."""
    (home / ("note" if (home / "begun").exists() else "made")).touch()
    (home / "begun").touch()
    hold(home)
    (home / "begun").unlink(missing_ok=True)


STEPS = {step.__name__: step for step in (careful, in_turn, in_place, leaves_a_note)}


@pytest.mark.parametrize(
    ("name", "is_found"), [("careful", False), ("in_turn", False), ("in_place", True), ("leaves_a_note", True)]
)
def test_what_two_commands_do_to_each_other_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, is_found: bool
) -> None:
    def act(command: Command, trial: Trial) -> None:
        os.environ["HIL_CACHE"] = str(tmp_path / "cache")
        (trial.home.parent / f"there{os.getpid()}").touch()
        STEPS[command.arguments[0]](trial.home)

    monkeypatch.setenv("HIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(race_commands, "act", act)
    monkeypatch.setattr(race_commands, "PAIRS", ((name, name),))
    monkeypatch.setattr(race_commands, "LATER_S", (0.0, 0.05))
    monkeypatch.setitem(race_commands.COMMANDS, name, Command((name,), same=("made",)))
    (tmp_path / "setting").mkdir()
    found = race_commands.campaign(range(2), 1, tmp_path / "setting", tmp_path / "trial")
    assert bool(found) is is_found
