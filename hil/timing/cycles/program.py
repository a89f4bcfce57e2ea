"""An ELF as `hil cycles` runs it: bytes at addresses and symbols, checked against the chip."""

from __future__ import annotations

import difflib
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.board import Board
from hil.elf_file import elf_file
from hil.errors import HilError

_THUMB = 1
_V8M_OR_LATER = 14  # Tag_CPU_arch values from here on are newer than ARMv7E-M (13)


@dataclass(frozen=True)
class Segment:
    """Bytes to be loaded at an address."""

    address: int
    data: bytes

    @property
    def end(self) -> int:
        return self.address + len(self.data)


@dataclass(frozen=True)
class Program:
    """An executable's contents. Addresses of symbols have no Thumb bit."""

    path: Path
    segments: tuple[Segment, ...]
    symbols: dict[str, int]

    def address(self, symbol: str) -> int:
        """A function's address. Raises HilError, with the nearest names, where there is no such symbol."""
        if symbol in self.symbols:
            return self.symbols[symbol]
        near = difflib.get_close_matches(symbol, self.symbols, 3, 0.5)
        hint = (
            f"did you mean {', '.join(near)}?"
            if near
            else f"it has {len(self.symbols)} symbols (arm-none-eabi-nm lists them)"
        )
        raise HilError(f"{self.path} has no symbol {symbol!r}: {hint}")

    def describe(self, address: int) -> str:
        """ "conv+0x12 (0x08000112)": the symbol an address lies behind, if it lies in the program at all."""
        if not any(segment.address <= address < segment.end for segment in self.segments):
            return f"{address:#010x}, outside the program"
        places = sorted((at, name) for name, at in self.symbols.items())
        position = bisect_right(places, (address, "\x7f")) - 1
        if position < 0:
            return f"{address:#010x}"
        at, name = places[position]
        return f"{name}+{address - at:#x} ({address:#010x})" if address > at else f"{name} ({address:#010x})"


def load_program(path: Path, board: Board) -> Program:
    """Read an ELF. Raises HilError where it is none, is for another core or does not fit the board's memory."""
    with elf_file(path) as elf:
        _check_core(path, elf)
        segments = tuple(_segments(path, elf, board))
        return Program(path, segments, dict(_symbols(path, elf)))


def _check_core(path: Path, elf: Any) -> None:
    machine, kind = elf["e_machine"], elf["e_type"]
    if machine != "EM_ARM" or elf.elfclass != 32 or not elf.little_endian:
        order = "little" if elf.little_endian else "big"
        found = f"{str(machine).removeprefix('EM_')}, {elf.elfclass} bit, {order}-endian"
        raise HilError(f"{path} is for another core ({found}): a Cortex-M4 runs 32-bit little-endian ARM (Thumb) code")
    if kind != "ET_EXEC":
        raise HilError(f"{path} is not linked ({kind}): link it to the chip's addresses (flash at 0x08000000) first")
    attributes = elf.get_section_by_name(".ARM.attributes")
    if attributes is None:
        return
    tags = {
        a.tag: a.value
        for s in attributes.iter_subsections()
        for ss in s.iter_subsubsections()
        for a in ss.iter_attributes()
    }
    profile = tags.get("TAG_CPU_ARCH_PROFILE")
    name = tags.get("TAG_CPU_NAME") or tags.get("TAG_CPU_RAW_NAME") or "unnamed"
    if profile in (ord("A"), ord("R"), "A", "R") or tags.get("TAG_CPU_ARCH", 0) >= _V8M_OR_LATER:
        raise HilError(f"{path} is built for another core ({name}): build it with -mcpu=cortex-m4 -mthumb")


def _segments(path: Path, elf: Any, board: Board) -> list[Segment]:
    """What is in memory at first: each segment where it runs, and where it is stored if that is flash."""
    _check_sections(path, elf, board)
    segments = []
    for segment in elf.iter_segments("PT_LOAD"):
        data = segment.data()
        if not segment["p_memsz"]:
            continue
        where, stored = segment["p_vaddr"], segment["p_paddr"]
        _check_place(path, f"a segment of {segment['p_memsz']} bytes", where, segment["p_memsz"], board)
        segments.append(Segment(where, data + bytes(segment["p_memsz"] - len(data))))
        if data and stored != where and board.flash.origin <= stored <= board.flash.end - len(data):
            segments.append(Segment(stored, data))
    if not segments:
        raise HilError(f"{path} has nothing to load: is it an object file's skeleton, or stripped of its program?")
    return segments


def _check_sections(path: Path, elf: Any, board: Board) -> None:
    for section in elf.iter_sections():
        is_allocated = section["sh_flags"] & 2
        if is_allocated and section["sh_size"] and section["sh_type"] != "SHT_NULL":
            _check_place(path, f"section {section.name}", section["sh_addr"], section["sh_size"], board)


def _check_place(path: Path, what: str, start: int, size: int, board: Board) -> None:
    spans = {"flash": board.flash} | {memory.name.upper(): memory for memory in board.rams}
    if any(memory.origin <= start and start + size <= memory.end for memory in spans.values()):
        return
    known = ", ".join(f"{name} {memory.origin:#010x} to {memory.end - 1:#010x}" for name, memory in spans.items())
    raise HilError(
        f"{path}: {what} ({start:#010x} to {start + size - 1:#010x}) lies outside the memory of the {board.chip} "
        f"({known}): link it to the chip's addresses"
    )


def _symbols(path: Path, elf: Any) -> list[tuple[str, int]]:
    table = elf.get_section_by_name(".symtab")
    if table is None:
        raise HilError(f"{path} has no symbol table: build it without -s and do not strip it")
    found = []
    for symbol in table.iter_symbols():
        is_place = symbol["st_info"]["type"] in ("STT_FUNC", "STT_NOTYPE", "STT_OBJECT")
        if is_place and symbol.name and symbol.name[0] != "$" and symbol["st_shndx"] not in ("SHN_UNDEF", "SHN_ABS"):
            is_function = symbol["st_info"]["type"] == "STT_FUNC"
            found.append((symbol.name, symbol["st_value"] & ~_THUMB if is_function else symbol["st_value"]))
    return found
