"""`hil doctor` tries what it vouches for."""

from __future__ import annotations

import pytest
from cli import hil
from stub_firmware import need

from hil import caches
from hil.errors import HilError
from hil.firmware.programs import MissingToolError
from hil.firmware.trial import configure_trial

TRIALS = {"configure_trial": "hil.commands.doctor.configure_trial", "boot_trial": "hil.targets.sim.trial.boot_trial"}


@pytest.fixture(autouse=True)
def nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in TRIALS.values():
        monkeypatch.setattr(place, lambda _: None)


@pytest.mark.parametrize("trial", TRIALS)
def test_a_target_that_fails_when_tried_does_not_work(trial: str, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    need("arm-none-eabi-gcc", "cmake", "cc")

    def fail(_: object) -> None:
        raise HilError("CMake is in a bad mood")

    assert hil(capsys, monkeypatch, "doctor").code == 0
    monkeypatch.setattr(TRIALS[trial], fail)
    outcome = hil(capsys, monkeypatch, "doctor")
    assert outcome.code == 1 and "target sim:\n    CMake is in a bad mood" in outcome.out
    assert ("target native:\n" in outcome.out) == (trial == "configure_trial")


def test_lost_sources_are_a_gap_of_every_target(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a wheel that somebody packed without them."""

    def lost() -> None:
        raise HilError("the installation lacks the firmware's sources")

    monkeypatch.setattr("hil.board.find.platforms", lost)
    outcome = hil(capsys, monkeypatch, "doctor")
    assert outcome.code == 1 and "lacks the firmware's sources" in outcome.out and "--force-reinstall" in outcome.out
    assert outcome.out.count("lacks boards") == 2


def test_no_compiler_for_this_machine_is_no_fault(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulated board does without; so does whoever installed the extra `toolchain` and no more."""
    need("arm-none-eabi-gcc", "cmake", "ninja")

    def lacking() -> None:
        raise MissingToolError("building for native needs a C compiler (cc): pip install ziglang")

    monkeypatch.setattr("hil.commands.doctor.find_host_toolchain", lacking)
    outcome = hil(capsys, monkeypatch, "doctor")
    assert outcome.code == 0 and "target native, optional:\n    pip install ziglang" in outcome.out


def test_it_says_the_version_the_boards_and_the_cache(capsys, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv(caches.VARIABLE, str(tmp_path / "cache"))
    said = hil(capsys, monkeypatch, "doctor").out
    assert "0.2.0" in said and "stm32f407_disco, stm32f411_disco" in said and "cache" in said


def test_a_configuration_that_cmake_refuses_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    need("cmake")
    with pytest.raises(HilError, match="no board is called 'no_such_board'"):
        configure_trial("no_such_board")
