"""An ELF as the chip would be given it: what goes where, checked against the board's memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import ARMAttributesSection
from elftools.elf.segments import Segment

from hil.board import Board, Memory
from hil.elf_file import elf_file
from hil.errors import HilError
from hil.targets.symbols import Symbols, symbols

# Tag_CPU_arch of the ABI's build attributes: what a Cortex-M4 runs, with M profile checked apart for ARMv7
_RUNS = {11: "ARMv6-M", 12: "ARMv6S-M", 10: "ARMv7", 13: "ARMv7E-M"}
_OTHERS = {4: "ARMv5TE", 6: "ARMv6", 8: "ARMv6T2", 9: "ARMv6K", 14: "ARMv8-A", 15: "ARMv8-R", 16: "ARMv8-M baseline"}
_OTHERS |= {17: "ARMv8-M mainline", 21: "ARMv8.1-M mainline"}


@dataclass(frozen=True)
class Image:
    """The bytes to put into the chip, by address, and the ELF's symbols."""

    path: Path
    parts: tuple[tuple[int, bytes], ...]  # as flashed
    initial: tuple[tuple[int, bytes], ...]  # what start-up makes of RAM: .data and zeroed .bss, at their run addresses
    symbols: Symbols


def load(path: Path, board: Board) -> Image:
    """Read and check a firmware. Raises HilError where it is no ELF, for another core, or does not fit the board."""
    if not path.is_file():
        raise HilError(f"{path}: there is no such firmware: build it first (hil build)")
    with elf_file(path) as elf:
        _check_core(elf, path)
        segments = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD" and segment["p_memsz"]]
        for segment in segments:
            _check_fits(elf, segment, path, board)
        parts = tuple((segment["p_paddr"], segment.data()) for segment in segments if segment["p_filesz"])
        initial = tuple(
            (segment["p_vaddr"], segment.data().ljust(segment["p_memsz"], b"\0"))
            for segment in segments
            if segment["p_vaddr"] != segment["p_paddr"] or not segment["p_filesz"]
        )
    return Image(path, parts, initial, symbols(path))


def _check_core(elf: ELFFile, path: Path) -> None:
    header = elf.header
    if header["e_machine"] != "EM_ARM" or elf.elfclass != 32 or not elf.little_endian:
        machine = elf.get_machine_arch()
        raise HilError(f"{path}: built for {machine}, the board's core is a Cortex-M4: build it with arm-none-eabi-gcc")
    section = elf.get_section_by_name(".ARM.attributes")
    if not isinstance(section, ARMAttributesSection):
        return
    tags = {
        item.tag: item.value
        for part in section.iter_subsections()
        for sub in part.iter_subsubsections()
        for item in sub.iter_attributes()
    }
    architecture, profile = tags.get("TAG_CPU_ARCH"), tags.get("TAG_CPU_ARCH_PROFILE")
    if architecture is None:
        return
    if architecture not in _RUNS or (architecture == 10 and profile not in (None, 0, ord("M"))):
        name = _OTHERS.get(architecture, _RUNS.get(architecture, f"architecture {architecture}"))
        raise HilError(
            f"{path}: built for {name}, the board's core is a Cortex-M4 (ARMv7E-M): build it with -mcpu=cortex-m4"
        )


def _check_fits(elf: ELFFile, segment: Segment, path: Path, board: Board) -> None:
    """Both where a segment is loaded (its initial bytes) and where it runs (all of it) must be memory."""
    regions = (board.flash, *board.rams)
    for start, size in ((segment["p_paddr"], segment["p_filesz"]), (segment["p_vaddr"], segment["p_memsz"])):
        if not size:
            continue
        home = next((region for region in regions if region.origin <= start < region.end), None)
        if home is None:
            section = _section(elf, segment, start)
            raise HilError(
                f"{path}: {section} lies at {start:#010x} ({size} bytes), where {board.name} has no memory "
                f"({_describe(regions)}): is it linked for another chip?"
            )
        over = start + size - home.end
        if over > 0:
            section = _section(elf, segment, start + size - 1)
            raise HilError(
                f"{path}: {section} reaches to {start + size:#010x}, {over} bytes past the end of {home.name} "
                f"({home.end:#010x}) of {board.name}: make it smaller or choose a larger board"
            )


def _section(elf: ELFFile, segment: Segment, address: int) -> str:
    """The section of a segment that holds an address (its last, for one past its initial bytes)."""
    shift = segment["p_vaddr"] - segment["p_paddr"]
    inside = [section for section in elf.iter_sections() if section["sh_size"] and segment.section_in_segment(section)]
    for section in inside:
        for at in (address, address + shift):
            if section["sh_addr"] <= at < section["sh_addr"] + section["sh_size"]:
                return f"section {section.name}"
    return f"section {inside[-1].name}" if inside else "a segment"


def _describe(regions: tuple[Memory, ...]) -> str:
    return ", ".join(f"{region.name} {region.origin:#010x} to {region.end:#010x}" for region in regions)
