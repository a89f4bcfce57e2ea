"""README's code runs: every block, as it stands."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from compilers import needs
from doc_blocks import REPOSITORY, block, blocks
from shell import run_shell

README = (REPOSITORY / "README.md").read_text()
MOST_LINES = 120

needs_compiler = needs("stm32f407_disco")


def test_every_block_is_run_by_a_test_below() -> None:
    tested = ["make demo", "hil run rnnpool_face_m4 *.jpg", "pytest hil/", "def test_"]
    tested.append("hil renode install")  # tests/test_renode_install.py, where Renode is
    for one in blocks():
        if one.page == "README.md":
            assert any(having in one.code for having in tested), f"no test runs this block:\n{one.code}"


def test_it_stays_short() -> None:
    assert len(README.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("command", block("README.md", "sh", "make demo").splitlines())
def test_the_two_commands_are_targets_of_the_makefile(command: str) -> None:
    """Only shown, not run: `make test` is what runs this test."""
    shown = subprocess.run([*shlex.split(command), "--dry-run"], cwd=REPOSITORY, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert {"make demo": "hil demo", "make test": "-m pytest"}[command] in shown.stdout


@needs_compiler
def test_ones_own_photos(users_folder: Path) -> None:
    run_shell(block("README.md", "sh", "hil run rnnpool_face_m4 *.jpg"), users_folder)
    assert (users_folder / "runs.json").stat().st_size > 1000
    assert (users_folder / "report.html").stat().st_size > 50_000


def test_the_pytest_example_passes(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(block("README.md", "python", "def test_") + "\n")
    output = run_shell("python -m pytest -q test_mine.py --hil-target native -p no:cacheprovider", tmp_path)
    assert "1 passed" in output


def test_the_suites_command_collects_every_target() -> None:
    pytest_command, _ = block("README.md", "sh", "pytest hil/").splitlines()
    output = run_shell(f"{pytest_command} --collect-only -q", REPOSITORY)
    assert "[sim-stm32f407_disco" in output and "[native-stm32f407_disco" in output


def test_a_robot_suite(tmp_path: Path) -> None:
    """One suite of them, on the host: `make test` runs them all."""
    _, robot = block("README.md", "sh", "pytest hil/").splitlines()
    command = robot.replace("TARGET:sim", "TARGET:native")
    output = run_shell(command.replace("robot_tests/", f"{REPOSITORY}/robot_tests/detection.robot"), tmp_path)
    assert "0 failed" in output and (tmp_path / "build" / "robot" / "log.html").is_file()


def test_pictures_are_there() -> None:
    for target in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (REPOSITORY / target).exists(), target


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (REPOSITORY / target).exists(), target
