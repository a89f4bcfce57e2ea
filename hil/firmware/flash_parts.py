"""What a firmware puts into flash, section by section and function by function."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.constants import SH_FLAGS

from hil.board import Board
from hil.elf_file import elf_file
from hil.targets.symbols import symbols


@dataclass(frozen=True)
class FlashParts:
    """Bytes by name. Static functions of the same name, one a file, are added up."""

    sections: dict[str, int]
    functions: dict[str, int]


def flash_parts(path: Path, board: Board) -> FlashParts:
    """Of an ELF for a board; a section counts where its initial bytes lie in flash. Raises HilError for no ELF."""
    flash = board.flash
    with elf_file(path) as elf:
        segments = [s for s in elf.iter_segments("PT_LOAD") if flash.origin <= s["p_paddr"] < flash.end]
        sections = {
            section.name: section["sh_size"]
            for section in elf.iter_sections()
            if section["sh_flags"] & SH_FLAGS.SHF_ALLOC
            and section["sh_type"] != "SHT_NOBITS"
            and section["sh_size"]
            and any(segment.section_in_segment(section) for segment in segments)
        }
    functions: Counter[str] = Counter()
    for function in symbols(path).functions:
        functions[function.name] += function.size
    return FlashParts(sections, {name: size for name, size in sorted(functions.items()) if size})
