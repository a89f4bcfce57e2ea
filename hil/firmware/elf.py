"""What an ELF puts into which memory of a board, and whether it is for that board at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Symbol, SymbolTableSection

from hil.board import Board, Memory
from hil.elf_file import elf_file
from hil.errors import HilError
from hil.link.errors import ProtocolError
from hil.link.messages import INFO_BYTES, Info

RESERVED = (".stack", ".heap")  # sections that only set memory aside: what is used of them is measured, not counted


@dataclass(frozen=True)
class Sizes:
    """Bytes that an ELF takes: of flash, and of each memory it keeps variables in (.data + .bss)."""

    flash_bytes: int
    static_by_memory: dict[str, int]

    @property
    def static_bytes(self) -> int:
        return sum(self.static_by_memory.values())


def symbols(elf: ELFFile) -> list[Symbol]:
    """The symbol table; empty where the file is stripped."""
    table = elf.get_section_by_name(".symtab")
    return list(table.iter_symbols()) if isinstance(table, SymbolTableSection) else []


def producer(path: Path) -> str:
    """What the compiler says of itself in the debug information (DWARF 5, 3.1.1); "" where there is none."""
    with elf_file(path) as elf:
        if not elf.has_dwarf_info():
            return ""
        for unit in elf.get_dwarf_info().iter_CUs():
            said = unit.get_top_DIE().attributes.get("DW_AT_producer")
            if said is not None:
                return str(said.value.decode("utf-8", "replace"))
    return ""


def check_elf(path: Path, board: Board) -> None:
    """Raise HilError unless the ELF is a Thumb image for the board, whose every byte lies in one of its memories."""
    with elf_file(path) as elf:
        if elf["e_machine"] != "EM_ARM" or elf.elfclass != 32 or not elf.little_endian:
            machine = f"{elf.get_machine_arch()}, {elf.elfclass} bit"
            raise HilError(f"{path} is for another chip ({machine}): {board.title} takes 32-bit little-endian ARM")
        for segment in elf.iter_segments("PT_LOAD"):
            for address, size in ((segment["p_paddr"], segment["p_filesz"]), (segment["p_vaddr"], segment["p_memsz"])):
                if size and _memory_of(board, address, size) is None:
                    raise HilError(
                        f"{path} is for another chip: it wants {size} bytes at {address:#010x}, where "
                        f"{board.title} ({_memories(board)}) has no such memory; build it with --board {board.name}"
                    )
    info = identity(path)
    if info is not None and info.board != board.name:
        raise HilError(f"{path} is built for {info.board}, not for {board.name}: build it with --board {board.name}")


def identity(path: Path) -> Info | None:
    """What the firmware will say in its hello, read from the file (app/image.c, `info`); None where it is not in it."""
    with elf_file(path) as elf:
        for symbol in (s for s in symbols(elf) if s.name == "info"):
            section = elf.get_section(symbol["st_shndx"]) if isinstance(symbol["st_shndx"], int) else None
            if symbol["st_size"] == INFO_BYTES and section is not None:
                start = symbol["st_value"] - section["sh_addr"]
                try:
                    return Info.parse(section.data()[start : start + INFO_BYTES])
                except ProtocolError as error:
                    raise HilError(f"{path} is damaged ({error}): build it again") from error
    return None


def sizes(path: Path, board: Board) -> Sizes:
    """Flash and static RAM of an ELF. Raises HilError if it does not lie in the board's memories."""
    check_elf(path, board)
    static: dict[str, int] = {}
    with elf_file(path) as elf:
        flash = sum(
            segment["p_filesz"]
            for segment in elf.iter_segments("PT_LOAD")
            if segment["p_filesz"] and _memory_of(board, segment["p_paddr"], segment["p_filesz"]) == board.flash
        )
        for section in elf.iter_sections():
            is_variable = section["sh_flags"] & SH_FLAGS.SHF_ALLOC and section["sh_flags"] & SH_FLAGS.SHF_WRITE
            if not is_variable or not section["sh_size"] or section.name in RESERVED:
                continue
            memory = _memory_of(board, section["sh_addr"], section["sh_size"])
            if memory is not None and memory != board.flash:
                static[memory.name] = static.get(memory.name, 0) + section["sh_size"]
    return Sizes(flash, static)


def _memory_of(board: Board, address: int, size: int) -> Memory | None:
    """The memory that holds a stretch of addresses as a whole; the SRAM banks are one."""
    for memory in (board.flash, *board.rams):
        if memory.origin <= address and address + size <= memory.end:
            return memory
    return None


def _memories(board: Board) -> str:
    return ", ".join(f"{m.bytes // 1024} KB at {m.origin:#010x}" for m in (board.flash, *board.rams))
