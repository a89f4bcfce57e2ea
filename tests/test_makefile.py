"""Makefile and .ci/run: what they install, what they say where they cannot, and that they hide no failure."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(
        [shutil.which("make") or "make", *arguments],
        cwd=REPOSITORY,
        env=clean | environment,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def bare_machine(tmp_path: Path) -> Path:
    """A PATH with a shell and Python and nothing else; `id` says that this is no root."""
    for program in ("sh", "python3"):
        (tmp_path / program).symlink_to(shutil.which(program) or program)
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    return tmp_path


def test_without_root_the_one_command_is_shown(bare_machine: Path) -> None:
    done = make("tools", PATH=str(bare_machine))
    assert done.returncode != 0
    assert "missing: arm-none-eabi-gcc cmake ninja cc" in done.stdout
    assert "run: sudo apt-get update && sudo apt-get install -y gcc-arm-none-eabi libnewlib" in done.stdout


def test_as_root_the_packages_are_installed_after_an_update(bare_machine: Path) -> None:
    (bare_machine / "id").write_text("#!/bin/sh\necho 0\n")
    log = bare_machine / "log"
    for program in ("apt-get", "env"):
        (bare_machine / program).write_text(f'#!/bin/sh\necho "{program} $*" >> {log}\n')
        (bare_machine / program).chmod(0o755)
    assert make("tools", PATH=str(bare_machine)).returncode == 0
    update, install = log.read_text().splitlines()
    assert update == "apt-get update -qq"
    assert "apt-get install -y" in install and "ninja-build" in install


def test_torch_comes_first_and_exactly() -> None:
    commands = make("--dry-run", "--always-make", "install").stdout
    assert "torch==2.13.0" in commands
    assert commands.index("torch==2.13.0") < commands.index("--editable")


def test_the_test_command_runs_all_tests_on_both_targets() -> None:
    commands = make("--dry-run", "test").stdout
    assert "-m pytest" in commands and "tests hil --hil-target sim --hil-target native" in commands
    assert "pytest robot_tests --hil-target native" in commands
    assert "|| true" not in commands


def test_ci_runs_make_test_and_stops_at_the_first_failure() -> None:
    script = REPOSITORY / ".ci" / "run"
    text = script.read_text()
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in text and text.rstrip().endswith("make test") and "apt-get update" in text
