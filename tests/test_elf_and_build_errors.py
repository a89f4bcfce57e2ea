"""ELF files for other chips, and builds that fail: one clear error, nothing left behind."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from compilers import nothing_installed

from hil import board
from hil.errors import HilError
from hil.firmware import cmake
from hil.firmware.elf import check_elf, sizes
from hil.firmware.programs import MissingToolError

F407, F429 = board.load("stm32f407_disco"), board.load("stm32f429_disco")
GCC = "arm-none-eabi-gcc"
needs_gcc = pytest.mark.skipif(shutil.which(GCC) is None, reason=f"needs {GCC}: apt-get install -y gcc-arm-none-eabi")
SOURCE = """
const int constants[10] = {1};
int data[5] = {7};
int bss[100];
char stack[512] __attribute__((section(".stack")));
int ccm[50] __attribute__((section(".ccm")));
void reset(void) { bss[0] = data[1] + constants[2] + ccm[3] + stack[0]; }
"""
SCRIPT = """ENTRY(reset)
MEMORY {{ FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 1M
 SRAM (rw) : ORIGIN = {sram:#x}, LENGTH = 64K
 CCM (rw) : ORIGIN = 0x10000000, LENGTH = 64K }}
SECTIONS {{
 .text : {{ *(.text*) *(.rodata*) }} > FLASH
 .stack (NOLOAD) : {{ *(.stack) }} > SRAM
 .data : {{ *(.data*) }} > SRAM AT > FLASH
 .bss : {{ *(.bss*) *(COMMON) }} > SRAM
 .ccm (NOLOAD) : {{ *(.ccm) }} > CCM
}}"""


def linked(tmp_path: Path, sram: int = 0x2000_0000) -> Path:
    (tmp_path / "a.c").write_text(SOURCE)
    (tmp_path / "a.ld").write_text(SCRIPT.format(sram=sram))
    flags = ["-mcpu=cortex-m4", "-mthumb", "-Os", "-nostdlib", "-T", "a.ld"]
    subprocess.run([GCC, *flags, "a.c", "-o", "a.elf"], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path / "a.elf"


@needs_gcc
def test_sizes_count_variables_by_memory_and_leave_out_the_reserved_stack(tmp_path: Path) -> None:
    found = sizes(linked(tmp_path), F407)
    assert found.static_by_memory == {"sram": 20 + 400, "ccm": 200}
    assert found.static_bytes == 620
    assert 40 + 20 < found.flash_bytes < 200  # constants, the initial values of data, and a little code


@needs_gcc
def test_an_elf_with_sections_outside_the_boards_memory_is_for_another_chip(tmp_path: Path) -> None:
    elf = linked(tmp_path, sram=0x2002_0000)  # SRAM3: only the F429 has it
    check_elf(elf, F429)
    with pytest.raises(HilError, match=r"is for another chip: it wants \d+ bytes at 0x2002.*--board stm32f407_disco"):
        check_elf(elf, F407)


def test_a_host_program_is_for_another_chip() -> None:
    with pytest.raises(HilError, match="is for another chip"):
        check_elf(Path("/proc/self/exe").resolve(), F407)


def test_what_is_no_elf_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "firmware.elf"
    path.write_bytes(b"not an ELF")
    with pytest.raises(HilError, match="is not an ELF file"):
        check_elf(path, F407)
    with pytest.raises(HilError, match="cannot read the firmware"):
        check_elf(tmp_path / "none.elf", F407)


PLAN = {
    "model": "rnnpool_face_m4",
    "weights_bytes": 61_000,
    "buffers": [
        {"name": "a_rows", "bytes": 10, "place": "sram"},
        {"name": "rnn_rows", "bytes": 60_000, "place": "sram"},
        {"name": "states", "bytes": 40_000, "place": "ccm"},
    ],
}


def test_an_overflow_says_by_how_many_bytes_and_in_which_buffers() -> None:
    log = "ld: firmware.elf section `.bss' will not fit in region `SRAM'\nld: region `SRAM' overflowed by 1234 bytes\n"
    message = cmake.explain(log, "stm32f407_disco", PLAN)
    assert "rnnpool_face_m4 does not fit stm32f407_disco: 1234 bytes too many in SRAM" in message
    assert "rnn_rows (60000 bytes), states (40000 bytes)" in message


def test_a_flash_overflow_speaks_of_weights_and_not_of_buffers() -> None:
    message = cmake.explain("ld: region `FLASH' overflowed by 88 bytes", "stm32f407_disco", PLAN)
    assert "88 bytes too many in FLASH" in message and "61000" in message and "rnn_rows" not in message


def test_a_missing_c_library_and_a_compilers_error_are_told_apart() -> None:
    library = cmake.explain("a.c:1:10: fatal error: stdio.h: No such file or directory", "native", PLAN)
    assert library == "the C library for native is missing: apt-get install -y libc6-dev"
    broken = cmake.explain("[1/2] cc a.c\na.c:3:1: error: expected ';'\nninja: stopped", "native", PLAN)
    assert broken == "the firmware does not build for native: a.c:3:1: error: expected ';'"


@pytest.mark.parametrize("preset", ["stm32f407_disco", "native"])
def test_a_missing_compiler_names_the_command_that_installs_it(monkeypatch, tmp_path: Path, preset: str) -> None:
    nothing_installed(monkeypatch)
    with pytest.raises(MissingToolError, match=r": pip install (ziglang|'rnnpool-hil\[toolchain\]')$"):
        cmake.find_tools(preset)


def test_cmakes_own_complaint_and_flags_for_another_cpu_are_one_line(monkeypatch) -> None:
    monkeypatch.setenv("CFLAGS", "-mcpu=cortex-a72")
    log = (
        'CMake Error at /usr/share/Test.cmake:67 (message):\n  The C compiler\n\n    "cc"\n\n  is not able.\n\n\n-- x\n'
    )
    assert cmake.explain(log, "native", PLAN) == (
        'the firmware does not build for native: The C compiler "cc" is not able. '
        "(with CFLAGS='-mcpu=cortex-a72' from the environment: unset it if it is not meant for this)"
    )


def test_an_overflow_as_lld_tells_it_is_understood_too() -> None:
    log = "ld.lld: error: section '.bss' will not fit in region 'SRAM': overflowed by 88 bytes\n"
    assert "88 bytes too many in SRAM" in cmake.explain(log, "stm32f407_disco", PLAN)
