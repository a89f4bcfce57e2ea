"""The Robot library on this computer: a whole suite on native, what lies beside its log, its tags."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fakes import plan, run

from hil import board

pytest.importorskip("robot", reason="needs Robot Framework: pip install robotframework")

from robot.api import ExecutionResult  # noqa: E402
from robot.api import TestSuite as RobotSuite  # noqa: E402

from hil.failure.bundle import open_bundle  # noqa: E402

REPOSITORY = Path(__file__).resolve().parent.parent
SUITES = sorted((REPOSITORY / "robot_tests").glob("*.robot"))


SUITE = """\
*** Settings ***
Library    hil.robot.HilLibrary    target=native
Suite Setup    Boot Board

*** Test Cases ***
It Works
    Corrupt Next Frame    TILE
    Stream Image    astronaut
    Frames Should Have Been Harmed
    Frames Should Have Been Repeated
    Detections Should Match Reference
    Board Should Be    native

It Fails With A Reason
    Best Score Should Be Above    1

It Is Skipped
    Cycles Should Be Below    1

It Has No Such Crash
    Provoke Crash    boredom
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("robot")
    (folder / "suite.robot").write_text(SUITE)
    command = [sys.executable, "-m", "robot", "--outputdir", str(folder), str(folder / "suite.robot")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    yield folder, done.stdout


@pytest.mark.xdist_group("robot")
def test_a_suite_on_this_computer(outcome: tuple[Path, str]) -> None:
    folder, said = outcome
    assert "4 tests, 1 passed, 2 failed, 1 skipped" in said, said
    assert re.search(r"the best score is 0\.\d+, expected above 1", said)
    assert "target native cannot count cycles: use TARGET:sim" in said
    assert "Provoke does not have member 'boredom'" in said and "'NULL_CALL" in said
    assert (folder / "log.html").exists()


@pytest.mark.xdist_group("robot")
def test_the_image_and_its_run_lie_beside_the_log(outcome: tuple[Path, str]) -> None:
    folder, _ = outcome
    (kept,) = (folder / "images").glob("astronaut-*.json")
    found = json.loads(kept.read_text())
    assert found["passed"] and found["link"]["retries"] >= 1
    assert Path(found["image"]["path"]).exists()


@pytest.mark.xdist_group("robot")
def test_measurements_are_metadata_of_the_suite(outcome: tuple[Path, str]) -> None:
    folder, _ = outcome
    (kept,) = (folder / "images").glob("astronaut-*.json")
    found = json.loads(kept.read_text())
    metadata = ExecutionResult(folder / "output.xml").suite.metadata
    shown = {name.rpartition(": ")[2]: value for name, value in metadata.items()}
    assert [m["name"] for m in found["measurements"] if m["name"] not in shown] == []
    assert shown["layers.differing"] == "0 layer, limit 0" and shown["cycles.total"].startswith("not measured")
    assert found["origin"]["test"] == "Suite.It Works" and found["origin"].keys() >= {"commit", "host", "compiler"}


@pytest.mark.xdist_group("robot")
def test_a_test_that_fails_leaves_a_bundle_and_names_it(outcome: tuple[Path, str]) -> None:
    folder, said = outcome
    left = folder / "failures" / "Suite.It_Fails_With_A_Reason.hil.zip"
    failure = open_bundle(left).failure
    assert failure.kind == "test" and failure.test == "Suite.It Fails With A Reason"
    assert f"hil show {left}" in ExecutionResult(folder / "output.xml").suite.tests[1].message


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.name)
def test_every_test_is_tagged_with_its_area_and_what_it_needs(suite: Path) -> None:
    for test in RobotSuite.from_file_system(suite).all_tests:
        kinds = sorted(tag.partition(":")[0] for tag in test.tags)
        assert kinds == ["area", "needs"], f"{test.name}: {list(test.tags)}"


def test_made_up_plans_fit_the_board() -> None:
    """The fakes above would prove nothing if their memories were no board's."""
    assert plan()["buffers"][0]["bytes"] < board.load("stm32f407_disco").sram.bytes
    assert np.isfinite(run().detections).all()
