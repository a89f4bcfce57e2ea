"""Blocks of pages that are neither README's nor a tutorial's, run as they stand."""

from __future__ import annotations

import shlex
import shutil
import tomllib
from pathlib import Path

import pytest
from compilers import needs
from doc_blocks import block
from served import serve
from shell import run_shell
from stub_firmware import need

from hil.bench.limits import load_limits
from hil.board import load
from hil.firmware.build import NATIVE, build
from hil.firmware.stamp import write_hash

needs_compiler = needs("stm32f407_disco")
CHECKPOINT = "docs/tutorials/my-checkpoint.md"


def test_the_training_and_evaluation_commands_ask_for_data_and_nothing_else(users_folder: Path) -> None:
    """Run as they stand, where there is no data: hours of training are no test."""
    for line in block("docs/training.md", "sh", "hil train").splitlines():
        with pytest.raises(AssertionError, match=r"error: no (WIDER FACE annotations|ground truth) at wider/"):
            run_shell(line, users_folder)


@needs_compiler
def test_a_board_at_a_serial_port(users_folder: Path) -> None:
    """A simulated board is served at another port."""
    (command,) = [line for line in block("docs/boards.md", "sh", "hil boards  ").splitlines() if "hil run" in line]
    elf = build("rnnpool_face_m4", "stm32f407_disco").elf
    with serve(elf, users_folder / "port") as served:
        told = command.replace("/dev/ttyUSB0", str(served.port)).replace("photo.png", "photo.jpg")
        assert "bit-exact" in run_shell(told, users_folder)


@needs_compiler
def test_cmake_alone_makes_the_same_bytes(users_folder: Path) -> None:
    need("arm-none-eabi-gcc", "cmake", "ninja")  # by their names: CMake alone does not look into Python's packages
    run_shell(block(CHECKPOINT, "sh", "hil quantise"), users_folder)
    run_shell(block(CHECKPOINT, "sh", "hil build"), users_folder)
    out = users_folder / "build" / "mine_ready" / "stm32f407_disco" / "out"
    built_by_hil = (out / "stm32f407_disco" / "firmware.elf").read_bytes()
    shutil.rmtree(out)
    alone = block(CHECKPOINT, "sh", "cmake --preset").replace("cmake --preset", "PATH=/usr/bin:/bin cmake --preset")
    run_shell(alone, users_folder)
    made = out / "stm32f407_disco" / "firmware.elf"
    write_hash(made)  # the one thing that hil adds to what CMake makes
    assert made.read_bytes() == built_by_hil, "the same sources give the same bytes, wherever they are built"


@pytest.mark.parametrize(("having", "name", "value"), [
    ("125_000_000", "cycles.total", 125_000_000), ("required", "firmware.flash_bytes", 160_000),
])  # fmt: skip
def test_the_limits_examples_are_taken(having: str, name: str, value: float, tmp_path: Path) -> None:
    path = tmp_path / "limits.toml"
    path.write_text(block("docs/limits.md", "toml", having))
    limits = load_limits(load("stm32f407_disco"), "rnnpool_face_m4", path)
    assert limits[name].value == value and bool(limits[name].is_required) is (having == "required")
    assert tomllib.loads(path.read_text())["rnnpool_face_m4"].keys() <= limits.keys()


def test_the_run_json_example_prints_its_numbers(tmp_path: Path) -> None:
    build("rnnpool_face_m4", "stm32f407_disco", preset=NATIVE)
    run_shell("hil demo --target native --out build/demo", tmp_path)
    example = block("docs/reference/run-json.md", "python", "json.load")
    assert run_shell(f"python -c {shlex.quote(example)}", tmp_path).startswith("True True None")
