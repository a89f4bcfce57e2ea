"""An ELF as `hil cycles` runs it: bytes at addresses and symbols, checked against the chip."""

from __future__ import annotations

import difflib
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hil.board import Board
from hil.elf_file import elf_file
from hil.errors import HilError
from hil.timing.cycles.attributes import check_core
from hil.timing.cycles.memory import places
from hil.timing.statement.flash import FLASH_ORIGIN

_THUMB = 1
_ALLOCATED, _EXECUTABLE = 2, 4  # of a section


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
    """An executable's contents. Addresses of symbols have no Thumb bit.

    data_symbols: those that are no functions. constructors: functions to be run before all others, in order (C++ static
    objects). passes_floats: whether floats go to and come from S registers.
    """

    path: Path
    segments: tuple[Segment, ...]
    symbols: dict[str, int]
    data_symbols: frozenset[str] = frozenset()
    constructors: tuple[int, ...] = ()
    passes_floats: bool = False
    _places: list[tuple[int, str]] = field(default_factory=list, compare=False)

    def with_data(self, segments: tuple[Segment, ...], symbols: dict[str, int]) -> Program:
        """The program with more in its memory, which is no code."""
        added = frozenset(symbols.keys() - self.symbols.keys())
        return replace(self, segments=segments, symbols=symbols, data_symbols=self.data_symbols | added, _places=[])

    def address(self, symbol: str) -> int:
        """A symbol's address. Raises HilError, with the nearest names, where there is no such symbol."""
        if symbol in self.symbols:
            return self.symbols[symbol]
        near = difflib.get_close_matches(symbol, self.symbols, 3, 0.5)
        hint = (
            f"did you mean {', '.join(near)}?"
            if near
            else f"it has {len(self.symbols)} symbols (arm-none-eabi-nm lists them)"
        )
        raise HilError(f"{self.path} has no symbol {symbol!r}: {hint}")

    def _contains(self, address: int) -> bool:
        return any(segment.address <= address < segment.end for segment in self.segments)

    def function(self, symbol: str) -> int:
        """A function's address. Raises HilError where there is none of that name, or it names data."""
        address = self.address(symbol)
        if symbol in self.data_symbols:
            raise HilError(f"{self.path}: {symbol!r} is data at {address:#010x}, no function: give the name of code")
        return address

    def describe(self, address: int) -> str:
        """ "conv+0x12 (0x08000112)": the symbol an address lies behind, if it lies in the program at all."""
        if not self._contains(address):
            if address < FLASH_ORIGIN or not self._contains(address - FLASH_ORIGIN):
                return f"{address:#010x}, outside the program"
            address -= FLASH_ORIGIN  # linked where flash shows at 0
        if not self._places:
            self._places.extend(sorted((at, name) for name, at in self.symbols.items()))
        position = bisect_right(self._places, (address, "\x7f")) - 1
        if position < 0:
            return f"{address:#010x}"
        at, name = self._places[position]
        return f"{name}+{address - at:#x} ({address:#010x})" if address > at else f"{name} ({address:#010x})"


def load_program(path: Path, board: Board) -> Program:
    """Read an ELF. Raises HilError where it is none, is for another core or does not fit the board's memory."""
    with elf_file(path) as elf:
        passes_floats = check_core(path, elf)
        segments = tuple(_segments(path, elf, board))
        symbols, data = _symbols(path, elf)
        return Program(path, segments, symbols, frozenset(data), _constructors(elf), passes_floats)


def _segments(path: Path, elf: Any, board: Board) -> list[Segment]:
    """What is in memory at first: each segment where it runs, and where it is stored if that is flash."""
    _check_sections(path, elf, board)
    segments = []
    for segment in elf.iter_segments("PT_LOAD"):
        data = segment.data()
        if not segment["p_memsz"]:
            continue
        where, stored = segment["p_vaddr"], segment["p_paddr"]
        if not _has_contents(elf, where, segment["p_memsz"]):
            continue  # headers, which a linker put into a segment of their own
        _check_place(path, f"a segment of {segment['p_memsz']} bytes", where, segment["p_memsz"], board)
        segments.append(Segment(where, data + bytes(segment["p_memsz"] - len(data))))
        if data and stored != where and board.flash.origin <= stored <= board.flash.end - len(data):
            segments.append(Segment(stored, data))
    if not segments:
        raise HilError(f"{path} has nothing to load: is it an object file's skeleton, or stripped of its program?")
    return segments


def _has_contents(elf: Any, start: int, size: int) -> bool:
    return any(
        section["sh_flags"] & _ALLOCATED and start <= section["sh_addr"] < start + size and section["sh_size"]
        for section in elf.iter_sections()
    )


def _check_sections(path: Path, elf: Any, board: Board) -> None:
    for section in elf.iter_sections():
        if section["sh_flags"] & _ALLOCATED and section["sh_size"] and section["sh_type"] != "SHT_NULL":
            _check_place(path, f"section {section.name}", section["sh_addr"], section["sh_size"], board)


def _check_place(path: Path, what: str, start: int, size: int, board: Board) -> None:
    spans = places(board)
    if any(first <= start and start + size <= end for first, end in spans.values()):
        return
    known = ", ".join(f"{name} {first:#010x} to {end - 1:#010x}" for name, (first, end) in spans.items())
    raise HilError(
        f"{path}: {what} ({start:#010x} to {start + size - 1:#010x}) lies outside the memory of the {board.chip} "
        f"({known}): link it to the chip's addresses"
    )


def _constructors(elf: Any) -> tuple[int, ...]:
    """The functions that start-up code calls before main: .preinit_array, then .init_array."""
    found: list[int] = []
    for kind in ("SHT_PREINIT_ARRAY", "SHT_INIT_ARRAY"):
        for section in elf.iter_sections():
            if section["sh_type"] == kind:
                data = section.data()
                words = (int.from_bytes(data[k : k + 4], "little") for k in range(0, len(data) - 3, 4))
                found += [word & ~_THUMB for word in words if word not in (0, 0xFFFF_FFFF)]
    return tuple(found)


def _symbols(path: Path, elf: Any) -> tuple[dict[str, int], set[str]]:
    """Addresses by name, and the names of data."""
    table = elf.get_section_by_name(".symtab")
    if table is None:
        raise HilError(f"{path} has no symbol table: build it without -s and do not strip it")
    code = [bool(section["sh_flags"] & _EXECUTABLE) for section in elf.iter_sections()]
    found: dict[str, int] = {}
    data: set[str] = set()
    for symbol in table.iter_symbols():
        kind, section = symbol["st_info"]["type"], symbol["st_shndx"]
        is_place = kind in ("STT_FUNC", "STT_NOTYPE", "STT_OBJECT")
        if is_place and symbol.name and symbol.name[0] != "$" and section not in ("SHN_UNDEF", "SHN_ABS"):
            is_function = kind == "STT_FUNC"
            found[symbol.name] = symbol["st_value"] & ~_THUMB if is_function else symbol["st_value"]
            in_code = isinstance(section, int) and section < len(code) and code[section]
            if kind == "STT_OBJECT" or not is_function and not in_code:
                data.add(symbol.name)
    return found, data
