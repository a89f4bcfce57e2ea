"""What CMake makes: images that lie where the chip has memory, the same bytes every time, and clear complaints."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from stub_firmware import REPOSITORY, STUB_MODEL, configure, need

from hil import board as boards
from hil.board.generate import write_board


def sections(elf: Path) -> dict[str, tuple[int, int]]:
    """Address and size of each section."""
    with elf.open("rb") as file:
        return {s.name: (s["sh_addr"], s["sh_size"]) for s in ELFFile(file).iter_sections()}


def symbols(elf: Path) -> dict[str, int]:
    with elf.open("rb") as file:
        return {s.name: s["st_value"] for s in ELFFile(file).get_section_by_name(".symtab").iter_symbols()}


def test_stack_lies_at_the_bottom_of_sram_so_that_overflow_faults(stub_board: tuple[str, Path]) -> None:
    name, elf = stub_board
    board = boards.load(name)
    assert sections(elf)[".stack"] == (board.sram.origin, board.stack_bytes)
    assert symbols(elf)["_stack_limit"] == board.sram.origin
    assert symbols(elf)["_stack_top"] == board.sram.origin + board.stack_bytes


def test_vector_table_starts_flash_and_points_at_stack_and_reset(stub_board: tuple[str, Path]) -> None:
    name, elf = stub_board
    board, table = boards.load(name), symbols(elf)
    with elf.open("rb") as file:
        vectors = ELFFile(file).get_section_by_name(".vectors")
        assert vectors["sh_addr"] == board.flash.origin
        words = struct.unpack(f"<{vectors['sh_size'] // 4}I", vectors.data())
    assert words[0] == table["_stack_top"]
    assert words[1] == table["reset_handler"] | 1
    assert words[2] == words[3] == words[4] == words[5] == words[6] == table["fault_handler"] | 1
    assert words[15] == table["systick_handler"] | 1
    assert words[16 + board.uart.irq] == table["uart_handler"] | 1


def test_what_the_dma_touches_is_in_sram(stub_board: tuple[str, Path]) -> None:
    name, elf = stub_board
    sram, table = boards.load(name).sram, symbols(elf)
    for buffer in ("line_ring", "wire"):
        assert sram.origin <= table[buffer] < sram.end


def test_heap_is_what_is_left_of_sram(stub_board: tuple[str, Path]) -> None:
    name, elf = stub_board
    table = symbols(elf)
    assert table["_heap_start"] == table["_ebss"]
    assert table["_heap_end"] == boards.load(name).sram.end


def copied_tree(folder: Path) -> Path:
    """What `hil build` copies, with the stub network: a directory that needs no Python."""
    for part in ("CMakeLists.txt", "CMakePresets.json"):
        shutil.copy(REPOSITORY / part, folder / part)
    for part in ("firmware_src", "platforms"):
        shutil.copytree(REPOSITORY / part, folder / part)
    shutil.copytree(STUB_MODEL, folder / "model")
    write_board(boards.load("stm32f407_disco"), folder / "board")
    return folder


@pytest.mark.parametrize("preset", ["native", "stm32f407_disco"])
def test_a_generated_directory_builds_by_its_preset_alone_to_the_same_bytes_anywhere(
    preset: str, tmp_path: Path
) -> None:
    need("cmake", "cc" if preset == "native" else "arm-none-eabi-gcc")
    images = []
    for place in ("one", "another/and/deeper"):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        copied_tree(folder)
        for command in (["cmake", "--preset", preset], ["cmake", "--build", "--preset", preset]):
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
        name = "firmware" if preset == "native" else "firmware.elf"
        images.append((folder / "out" / preset / name).read_bytes())
    assert images[0] == images[1]


def test_an_image_that_is_too_large_says_by_how_much(tmp_path: Path) -> None:
    need("cmake", "arm-none-eabi-gcc")
    configure("stm32f407_disco", tmp_path, "-DHIL_RX_RING_BYTES=131072")
    built = subprocess.run(["cmake", "--build", str(tmp_path)], capture_output=True, text=True)
    assert built.returncode
    assert re.search(r"region `SRAM' overflowed by \d+ bytes", built.stdout + built.stderr)


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode
    return " ".join(done.stderr.split())


def test_a_missing_cross_compiler_is_named_with_its_package(tmp_path: Path) -> None:
    need("cmake")
    tools = tmp_path / "bin"
    tools.mkdir()
    for program in ("cmake", "make"):
        (tools / program).symlink_to(shutil.which(program) or "/nowhere")
    environment = {**os.environ, "PATH": str(tools)}
    command = [
        "cmake",
        "--preset",
        "stm32f407_disco",
        "-B",
        str(tmp_path / "b"),
        "-DCMAKE_FIND_USE_CMAKE_SYSTEM_PATH=0",
    ]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert "apt-get install gcc-arm-none-eabi, or pip install 'rnnpool-hil[toolchain]'" in complaint(done)


def test_a_missing_network_is_named(tmp_path: Path) -> None:
    need("cmake", "cc")
    done = configure("native", tmp_path, f"-DHIL_MODEL_DIR={tmp_path / 'none'}")
    assert "has no model_config.h" in complaint(done)


def test_the_repository_itself_takes_the_only_network_there_is(tmp_path: Path) -> None:
    need("cmake", "cc")
    copied_tree(tmp_path)
    command = ["cmake", "--preset", "native"]

    def run() -> subprocess.CompletedProcess[str]:
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    models = tmp_path / "build"
    (models / "one" / "stm32f407_disco").mkdir(parents=True)
    shutil.move(tmp_path / "model", tmp_path / "kept")
    assert "no generated network: run `hil build" in complaint(run())
    shutil.copytree(tmp_path / "kept", models / "one" / "stm32f407_disco" / "model")
    assert run().returncode == 0
    shutil.copytree(models / "one", models / "two")
    assert "several generated networks, choose one with -DHIL_MODEL_DIR" in complaint(run())


def test_unknown_boards_and_kernels_are_named(tmp_path: Path) -> None:
    need("cmake", "cc")
    assert "choose fast or portable" in complaint(configure("native", tmp_path / "a", "-DHIL_KERNELS=quick"))
    assert "no board.h of toaster" in complaint(configure("native", tmp_path / "b", "-DHIL_BOARD=toaster"))
