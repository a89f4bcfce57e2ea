"""The firmware around a small stub network (tests/firmware/stub_model), built by CMake."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hil import board as boards
from hil.board.find import find
from hil.board.generate import write_board
from hil.firmware.stamp import write_hash
from hil.paths import platforms

REPOSITORY = Path(__file__).resolve().parent.parent
STUB_MODEL = REPOSITORY / "tests" / "firmware" / "stub_model"
HEIGHT, WIDTH, CHANNELS = 30, 40, 3
BANDS = 6
PACKAGES = {"arm-none-eabi-gcc": "gcc-arm-none-eabi", "cc": "gcc libc6-dev", "clang": "clang", "cmake": "cmake"}


def need(*programs: str) -> None:
    """Skip the test where a program is missing, with the command that installs it."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: apt-get install -y {PACKAGES[program]}")


def configure(preset: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """CMake on the repository, with the stub network and, for a board, its generated files in folder/board."""
    own = [f"-DHIL_MODEL_DIR={STUB_MODEL}", f"-DHIL_BOARD_DIR={folder / 'board'}"]
    if preset != "native":
        write_board(boards.load(preset), folder / "board")
    if (find(preset).parent if preset != "native" else platforms()) != platforms():  # no preset in the repository
        own += ["-G", "Ninja", f"-DHIL_BOARD={preset}", f"-DCMAKE_TOOLCHAIN_FILE={platforms() / 'cortex-m4.cmake'}"]
    else:
        own += ["--preset", preset]
    command = ["cmake", "-B", str(folder), *own, *options]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)


def build(preset: str, folder: Path, *options: str) -> Path:
    """The firmware for a preset. Fails the test with the compiler's words where it does not build."""
    need("cmake", "cc" if preset == "native" else "arm-none-eabi-gcc")
    configured = configure(preset, folder, *options)
    assert configured.returncode == 0, configured.stderr
    built = subprocess.run(["cmake", "--build", str(folder)], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    elf = folder / ("firmware" if preset == "native" else "firmware.elf")
    write_hash(elf)
    return elf


def random_image(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, CHANNELS), dtype=np.uint8)


def expected_boxes(image: NDArray[np.uint8]) -> list[tuple[float, ...]]:
    """What the stub network finds: the bytes of a checksum over each band of rows."""
    boxes = []
    for band, rows in enumerate(image.reshape(BANDS, -1)):
        checksum = 0
        for byte in rows.tolist():
            checksum = (checksum * 31 + byte) & 0xFFFF_FFFF
        score = float(np.float32(band) / np.float32(BANDS))
        boxes.append((*(float(checksum >> shift & 0xFF) for shift in (0, 8, 16, 24)), score))
    return boxes


def expected_tap(image: NDArray[np.uint8], layer: int) -> NDArray[np.uint8]:
    """A layer's rows as raw memory: inverted; sums of all rows so far, at every second one; the last row inverted."""
    rows = image.reshape(HEIGHT, -1)
    if layer == 0:
        return ~rows.ravel()
    if layer == 2:
        return ~rows[-1]
    sums = np.cumsum(rows, axis=0, dtype=np.uint64).astype("<u2")[1::2]
    return sums.view(np.uint8).ravel()
