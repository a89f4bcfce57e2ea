"""Small bare-metal programs for the simulated board's tests, compiled when a test first wants them."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

from hil import board
from hil.targets.image import load
from hil.targets.sim import SimBoard, SimTarget
from hil.targets.sim.call import start_up
from hil.timing.compiled.engine import Mode
from hil.timing.model import ModelledCycles

SOURCES = Path(__file__).parent / "firmware"
COMPILER = "arm-none-eabi-gcc"
CORE_FLAGS = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")
FLAGS = (*CORE_FLAGS, "-O2", "-g3", "-std=c11", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-nostdlib")
DISCO = board.load("stm32f407_disco")


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="hil-board-programs-"))


def need_compiler() -> None:
    """Skip the test where there is no compiler for the board."""
    if not shutil.which(COMPILER):
        pytest.skip(f"needs {COMPILER}: apt-get install gcc-arm-none-eabi")


@cache
def program(*names: str, defines: tuple[str, ...] = (), stack_bytes: int = 1024, script: str = "board.ld") -> Path:
    """The ELF of startup.c and some more sources of tests/firmware."""
    need_compiler()
    elf = _folder() / f"{'_'.join((*names, *defines, script, str(stack_bytes)))}.elf"
    command = [
        COMPILER,
        *FLAGS,
        "-nostartfiles",
        *(f"-D{define}" for define in defines),
        f"-Wl,--defsym=STACK_BYTES={stack_bytes}",
    ]
    command += ["-T", str(SOURCES / script), "-o", str(elf), str(SOURCES / "startup.c")]
    command += [str(SOURCES / f"{name}.c") for name in names]
    done = subprocess.run([*command, "-lgcc"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return elf


def simulated(*names: str, mode: Mode = "fast", **options: object) -> SimBoard:
    """A board with a program of which single functions can be called: memory is ready, nothing has run."""
    elf = program(*names, **options)  # type: ignore[arg-type]
    board = SimBoard(DISCO, load(elf, DISCO), ModelledCycles(mode))
    start_up(board)
    return board


def target(*names: str, runaway_s: float = 0.2, **options: object) -> SimTarget:
    """The same as a target."""
    made = SimTarget(DISCO, runaway_s=runaway_s)
    made.boot(program(*names, **options))  # type: ignore[arg-type]
    return made
