"""What the simulated board says of a firmware that is not for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from board_programs import COMPILER, CORE_FLAGS, DISCO, need_compiler, program

from hil import board
from hil.errors import HilError
from hil.targets import create
from hil.targets.image import load
from hil.targets.sim.target import SimTarget

MEMORY = "MEMORY {{ FLASH (rx) : ORIGIN = {flash:#x}, LENGTH = 4M\n SRAM (rw) : ORIGIN = {sram:#x}, LENGTH = 4M }}"
SECTIONS = """
SECTIONS { .vectors : { *(.vectors) } > FLASH  .text : { *(.text*) *(.rodata*) } > FLASH
           .data : { *(.data*) } > SRAM AT > FLASH  .bss (NOLOAD) : { *(.bss*) } > SRAM }
"""
SOURCE = """
__attribute__((section(".vectors"))) const unsigned vectors[2] = {VECTORS};
const char text[TEXT_BYTES] = {1};
char bss[BSS_BYTES];
int data = 5;
int function(void) { return data + text[1] + bss[0]; }
"""


def built(
    folder: Path, *, text: int = 4, bss: int = 4, flash: int = 0x0800_0000, sram: int = 0x2000_0000,
    core: tuple[str, ...] = CORE_FLAGS, vectors: str = "0x20001000, 0x08000009",
) -> Path:  # fmt: skip
    """A minimal ELF with sections of these sizes at these places."""
    need_compiler()
    (folder / "a.c").write_text(SOURCE)
    (folder / "a.ld").write_text(MEMORY.format(flash=flash, sram=sram) + SECTIONS)
    elf = folder / "a.elf"
    sizes = [f"-DTEXT_BYTES={text}", f"-DBSS_BYTES={bss}", f"-DVECTORS={vectors}"]
    command = [COMPILER, *core, *sizes, "-O1", "-nostdlib", "-T", str(folder / "a.ld"), "-Wl,-e,0", "-o", str(elf)]
    subprocess.run([*command, str(folder / "a.c")], check=True, capture_output=True)
    return elf


def refusal(elf: Path, name: str = "stm32f407_disco") -> str:
    """The message with which an ELF is refused."""
    with pytest.raises(HilError) as caught:
        SimTarget(board.load(name)).boot(elf)
    message = str(caught.value)
    assert "\n" not in message and str(elf) in message
    return message


def test_image_that_fits_is_split_by_load_address(tmp_path: Path) -> None:
    image = load(built(tmp_path), DISCO)
    assert image.parts[0][0] == DISCO.flash.origin
    assert (DISCO.sram.origin, b"\x05\0\0\0") in [(address, data[:4]) for address, data in image.initial]


def test_too_much_code_is_named_with_its_excess(tmp_path: Path) -> None:
    message = refusal(built(tmp_path, text=(1 << 20) + 100))
    assert "section .text" in message or "section .data" in message
    assert "past the end of flash (0x08100000)" in message


def test_too_much_data_is_named_with_its_excess(tmp_path: Path) -> None:
    message = refusal(built(tmp_path, bss=128 * 1024 + 12))
    assert "section .bss reaches to" in message and "16 bytes past the end of sram (0x20020000)" in message


def test_the_same_data_fits_a_larger_board(tmp_path: Path) -> None:
    load(built(tmp_path, bss=128 * 1024 + 12), board.load("stm32f429_disco"))


@pytest.mark.parametrize(("flash", "sram"), [(0x0040_0000, 0x2000_0000), (0x0800_0000, 0x2400_0000)])
def test_sections_where_the_chip_has_nothing(tmp_path: Path, flash: int, sram: int) -> None:
    assert "has no memory" in refusal(built(tmp_path, flash=flash, sram=sram))


@pytest.mark.parametrize("core", ["cortex-m33", "cortex-a9", "cortex-m55"])
def test_code_for_another_arm_core(tmp_path: Path, core: str) -> None:
    message = refusal(built(tmp_path, core=(f"-mcpu={core}", "-mthumb", "-mfloat-abi=soft")))
    assert "the board's core is a Cortex-M4" in message


@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m0"])
def test_code_for_a_smaller_core_of_the_family_runs(tmp_path: Path, core: str) -> None:
    load(built(tmp_path, core=(f"-mcpu={core}", "-mthumb")), DISCO)


def test_program_of_this_machine() -> None:
    assert "the board's core is a Cortex-M4" in refusal(Path(sys.executable).resolve())


def test_file_that_is_no_elf(tmp_path: Path) -> None:
    path = tmp_path / "firmware.bin"
    path.write_bytes(b"\x00\x10\x00\x20")
    assert "not an ELF file" in refusal(path)


def test_truncated_elf(tmp_path: Path) -> None:
    path = tmp_path / "half.elf"
    path.write_bytes(built(tmp_path).read_bytes()[:60])
    refusal(path)


def test_missing_file(tmp_path: Path) -> None:
    assert "there is no such firmware" in refusal(tmp_path / "none.elf")


@pytest.mark.parametrize("vectors", ["0xFFFFFFFF, 0x08000009", "0x20001000, 0x08000008", "0x20001000, 0x30000001"])
def test_image_without_vector_table(tmp_path: Path, vectors: str) -> None:
    assert "no vector table at 0x08000000" in refusal(built(tmp_path, vectors=vectors))


def test_firmware_of_the_f407_also_runs_on_the_f429_memory_map() -> None:
    target = create("sim", board.load("stm32f429_disco"))
    target.boot(program("peripherals"))
    assert target.read_memory(0x1FFF_7A22, 2) == (2048).to_bytes(2, "little")
