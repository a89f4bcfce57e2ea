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
    """A PATH with a shell and a Python that has all modules and nothing else; `id` says that this is no root."""
    (tmp_path / "sh").symlink_to(shutil.which("sh") or "sh")
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "python3").chmod(0o755)
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    return tmp_path


def test_without_root_the_tools_are_left_to_pypi(bare_machine: Path) -> None:
    done = make("tools", PATH=str(bare_machine))
    assert done.returncode == 0, done.stdout
    assert "PyPI's packages in the place of arm-none-eabi-gcc cmake ninja cc" in done.stdout


def test_without_root_pip_installs_the_toolchain(bare_machine: Path) -> None:
    python = bare_machine / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$*" >> {bare_machine}/log\n')
    python.chmod(0o755)
    (bare_machine / "touch").symlink_to(shutil.which("touch") or "touch")
    done = make("install", f"VENV={bare_machine / 'venv'}", PATH=str(bare_machine))
    assert done.returncode == 0, done.stderr
    log = (bare_machine / "log").read_text()
    assert "--editable .[dev,toolchain]" in log and "ziglang" in log


def test_without_root_and_the_venv_module_the_one_command_is_shown(bare_machine: Path) -> None:
    (bare_machine / "python3").unlink()
    done = make("tools", PATH=str(bare_machine))
    assert done.returncode != 0
    assert "run: sudo apt-get install -y python3-venv" in done.stdout


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
    assert "robot --variable TARGET:native --outputdir build/robot/native robot_tests" in commands
    assert "|| true" not in commands


def test_ci_runs_make_test_and_stops_at_the_first_failure() -> None:
    script = REPOSITORY / ".ci" / "run"
    text = script.read_text()
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in text and text.rstrip().endswith("make test") and "apt-get update" in text
