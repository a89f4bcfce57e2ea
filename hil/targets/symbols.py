"""Addresses of a firmware to function names and source lines, from the ELF's symbol table and DWARF line table."""

from __future__ import annotations

import logging
import struct
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.lineprogram import LineProgram
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from hil.elf_file import elf_file
from hil.errors import HilError

log = logging.getLogger(__name__)

THUMB = 1
_UNDEFINED, _IS_FUNCTION = 0, 2  # SHN_UNDEF, STT_FUNC
# Of a symbol in files of 32 and 64 bits, and where in it st_name, st_value, st_size, st_info and st_shndx are.
_LAYOUTS = {32: ("<IIIBBH", itemgetter(0, 1, 2, 3, 5)), 64: ("<IBBHQQ", itemgetter(0, 4, 5, 1, 3))}


@dataclass(frozen=True)
class Function:
    """A function's place in the image, the Thumb bit removed."""

    name: str
    address: int
    size: int


class _Entry(NamedTuple):
    name: str
    value: int
    size: int
    is_function: bool


def _entries(image: ELFFile) -> list[_Entry]:
    """The named and defined symbols. Read at one go: pyelftools takes a third of a millisecond for each."""
    table = image.get_section_by_name(".symtab")
    if not isinstance(table, SymbolTableSection):
        return []
    layout, columns = _LAYOUTS[image.elfclass]
    names, found = table.stringtable.data(), []
    for offset, value, size, info, section in map(columns, struct.iter_unpack(layout, table.data())):
        if section != _UNDEFINED and names[offset]:
            name = names[offset : names.index(0, offset)].decode("utf-8", "replace")
            found.append(_Entry(name, value, size, info & 0xF == _IS_FUNCTION))
    return found


class Symbols:
    """What lies where in an ELF. The line table is read when the first line is asked for, once."""

    def __init__(self, elf: Path) -> None:
        self._elf = elf
        with elf_file(elf) as image:
            self._no_thumb = ~THUMB if image["e_machine"] == "EM_ARM" else ~0
            entries = _entries(image)
        self._values = {entry.name: entry.value for entry in entries}
        self._sizes = {entry.name: entry.size for entry in entries}
        functions = {
            entry.value & self._no_thumb: Function(entry.name, entry.value & self._no_thumb, entry.size)
            for entry in entries
            if entry.is_function
        }
        self.functions = [functions[address] for address in sorted(functions)]
        self._addresses = [function.address for function in self.functions]

    def address(self, name: str) -> int | None:
        """A symbol's value as it stands in the ELF (a function's has the Thumb bit); None where there is none."""
        return self._values.get(name)

    def size(self, name: str) -> int:
        """A symbol's bytes; 0 where there is none, or it has no size."""
        return self._sizes.get(name, 0)

    def starting_with(self, beginning: str) -> list[str]:
        """The symbols whose names begin so."""
        return [name for name in self._values if name.startswith(beginning)]

    def function(self, pc: int) -> str | None:
        """The name of the function that holds an address; None outside every function."""
        position = bisect_right(self._addresses, pc & self._no_thumb) - 1
        if position < 0:
            return None
        function = self.functions[position]
        # assembly without .size has size 0: then it reaches to the next function
        return function.name if not function.size or (pc & self._no_thumb) < function.address + function.size else None

    def line(self, pc: int) -> str | None:
        """ "conv.c:42"; None where the ELF has no line for the address."""
        addresses, places = self._lines
        position = bisect_right(addresses, pc & self._no_thumb) - 1
        return places[position] if position >= 0 else None

    def describe(self, pc: int) -> str:
        """ "conv_row (conv.c:42)", as much of it as is known; the bare address where nothing is."""
        name, line = self.function(pc), self.line(pc)
        if not name:
            return f"{pc:#010x}"
        return f"{name} ({line})" if line else name

    @cached_property
    def _lines(self) -> tuple[list[int], list[str | None]]:
        """Addresses in order, and the place from each on; None from an end of sequence on."""
        rows: list[tuple[int, bool, str | None]] = []
        try:
            with elf_file(self._elf) as elf:
                if elf.has_dwarf_info():
                    dwarf = elf.get_dwarf_info()
                    for unit in dwarf.iter_CUs():
                        program = dwarf.line_program_for_CU(unit)
                        if program:
                            rows += _rows(program, unit)
        except HilError as error:
            log.info("lines are not all known: %s", error)  # a name without its line is worth more than an error
        # at one address, the start of a sequence is worth more than the end of the one before it
        rows.sort(key=lambda row: (row[0], row[1]))
        return [row[0] for row in rows], [row[2] for row in rows]


def _rows(program: LineProgram, unit: CompileUnit) -> list[tuple[int, bool, str | None]]:
    """(address, is a line, "file:line") of one compilation unit, without the functions that the linker dropped."""
    files = program["file_entry"]
    first = 0 if program["version"] >= 5 else 1  # DWARF 5 counts files from 0
    rows: list[tuple[int, bool, str | None]] = []
    sequence: list[tuple[int, bool, str | None]] = []
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        if state.end_sequence:
            if sequence and sequence[0][0] != 0:
                rows += [*sequence, (state.address, False, None)]
            sequence = []
        else:
            name = files[state.file - first].name.decode(errors="replace")
            sequence.append((state.address, True, f"{Path(name).name}:{state.line}"))
    return rows


@lru_cache(maxsize=8)
def _load(elf: Path, _modified_ns: int, _size: int) -> Symbols:
    return Symbols(elf)


def symbols(elf: Path) -> Symbols:
    """The symbols of an ELF, read once for as long as the file stays the same."""
    status = elf.stat()
    return _load(elf.resolve(), status.st_mtime_ns, status.st_size)
