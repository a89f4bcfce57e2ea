"""What the bench does where there is no POSIX: these tests take its modules away."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from stub_firmware import REPOSITORY

from hil import board as boards
from hil.targets import TargetError
from hil.targets.native import NativeTarget

POSIX_ONLY = "fcntl|termios|pty|tty|grp|pwd|resource"
NEEDS_POSIX = {"hil/targets/pseudo_terminal.py", "hil/torture/prompt.py"}
PREPARE = """
import sys
import serial, serial.tools.list_ports  # pyserial itself has another module for Windows
for name in ("fcntl", "termios", "pty", "tty", "grp", "pwd", "resource"):
    sys.modules[name] = None
"""


def without_posix(code: str, folder: Path) -> str:
    environment = os.environ | {"HIL_CACHE": str(folder / "cache")}
    done = subprocess.run([sys.executable, "-c", PREPARE + code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "no library's warning"
    return done.stdout


def test_only_these_import_what_windows_lacks() -> None:
    wanted = re.compile(rf"^\s*(import|from) ({POSIX_ONLY})\b", re.MULTILINE)
    found = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "hil").rglob("*.py")
             if wanted.search(path.read_text(encoding="utf-8"))}  # fmt: skip
    assert found == NEEDS_POSIX


def test_commands_locks_and_the_simulated_board_work_without(tmp_path: Path) -> None:
    code = """
import hil.cli, hil.firmware.build, hil.evaluation.run, hil.pytest_plugin
from hil import board, locks
from hil.targets.sim.trial import boot_trial
with locks.held("it"):
    print(locks.Lock("it").is_free())
print(locks.Lock("it").is_free())
boot_trial(board.load("stm32f407_disco"))
print("booted")
"""
    assert without_posix(code, tmp_path) == "False\nTrue\nbooted\n"


def test_a_serial_port_works_without(tmp_path: Path) -> None:
    """pyserial's loop:// gives back what is written to it."""
    code = """
from hil import board
from hil.targets.connection import Connection
from hil.targets.serial import SerialTarget
with SerialTarget(board.load("stm32f407_disco"), Connection(port="loop://")) as target:
    target.open()
    target.write(b"around")
    print(target.read(1.0))
"""
    assert without_posix(code, tmp_path) == "b'around'\n"


def test_a_served_board_is_refused_in_a_line(tmp_path: Path) -> None:
    code = """
import sys
sys.argv[1:] = ["serve"]
sys.stderr = sys.stdout
from hil.cli import main
try:
    main()
except SystemExit as end:
    print(end.code)
"""
    said = without_posix(code, tmp_path)
    assert said == "error: hil serve needs pseudo-terminals, which this system lacks: run it on Linux or macOS\n2\n"


def test_native_is_refused_on_windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    target = NativeTarget(boards.load("stm32f407_disco"))
    with monkeypatch.context() as patch:
        patch.setattr("hil.targets.native.os.name", "nt")
        with pytest.raises(TargetError, match="needs a POSIX system, which Windows is not: use --target sim"):
            target.boot(tmp_path)
