"""The source lines of a firmware's own C, and the conditional branches in them, from its DWARF."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.lineprogram import LineProgram
from elftools.elf.elffile import ELFFile

from hil.measure.coverage.branches import Branch, as_branch
from hil.targets.sim.core.blocks import decode

OWN = "firmware_src"  # the folder whose files are covered, wherever it was built from


@dataclass(frozen=True, order=True)
class Place:
    """file: from firmware_src/ on. column 0: not known."""

    file: str
    line: int
    column: int


@dataclass(frozen=True)
class Row:
    """Instructions from an address up to another, of one place."""

    start: int
    end: int
    place: Place


Sequence = list[tuple[int, Place | None]]  # of a line table: where each place begins; the last is the end


class Lines:
    """The line table of an ELF, without what the linker dropped and what is no file of firmware_src.

    branches: the conditional ones. Rows of nothing but instructions under an IT are left out: they are passed through
    whether or not they do anything.
    """

    def __init__(self, elf: Path) -> None:
        rows: set[Row] = set()
        branches: dict[int, Branch] = {}
        with elf.open("rb") as file:
            image = ELFFile(file)
            code = _Code(image)
            for sequence in _sequences(image):
                plain = set()
                for instruction in decode(sequence[0][0], code.read(sequence[0][0], sequence[-1][0])):
                    branch = as_branch(instruction)
                    if branch is not None:
                        branches[branch.address] = branch
                    if branch is not None or not instruction.conditional:
                        plain.add(instruction.address)
                rows |= {row for row in _rows(sequence) if not plain.isdisjoint(range(row.start, row.end, 2))}
        self.rows = sorted(rows, key=lambda row: row.start)
        self._starts = [row.start for row in self.rows]
        self.branches = [branch for branch in branches.values() if self.place(branch.address) is not None]

    def within(self, start: int, end: int) -> list[Row]:
        """The rows that share an instruction with a block."""
        first = bisect_right(self._starts, start) - 1
        rows = self.rows[max(0, first) : bisect_left(self._starts, end)]
        return [row for row in rows if row.start < end and row.end > start]

    def place(self, address: int) -> Place | None:
        """Of an instruction; None where it is not of firmware_src."""
        position = bisect_right(self._starts, address) - 1
        row = self.rows[position] if position >= 0 else None
        return row.place if row is not None and address < row.end else None


class _Code:
    """The bytes of an ELF's sections that hold code."""

    def __init__(self, image: ELFFile) -> None:
        self._sections = [
            (section["sh_addr"], section.data())
            for section in image.iter_sections()
            if section["sh_flags"] & 4 and section["sh_type"] == "SHT_PROGBITS"  # SHF_EXECINSTR
        ]

    def read(self, start: int, end: int) -> bytes:
        """Fewer bytes, or none, where there is no code."""
        found = (data[start - at : end - at] for at, data in self._sections if at <= start < at + len(data))
        return next(found, b"")


def _sequences(image: ELFFile) -> Iterator[Sequence]:
    """Those that have a place of firmware_src: a function each."""
    if not image.has_dwarf_info():
        return
    dwarf = image.get_dwarf_info()
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program:
            yield from _sequences_of(program, unit)


def _sequences_of(program: LineProgram, unit: CompileUnit) -> Iterator[Sequence]:
    names = _names(program)
    first = 0 if program["version"] >= 5 else 1  # DWARF 5 counts files from 0
    sequence: Sequence = []
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        name = names[state.file - first] if state.file - first < len(names) else None
        sequence.append((state.address, Place(name, state.line, state.column) if name and state.line else None))
        if state.end_sequence:
            if sequence[0][0] and any(place for _, place in sequence):  # at 0: dropped by the linker
                yield sequence
            sequence = []


def _rows(sequence: Sequence) -> Iterator[Row]:
    """Those that hold instructions."""
    for (start, place), (end, _) in zip(sequence, sequence[1:], strict=False):
        if place is not None and end > start:
            yield Row(start, end, place)


def _names(program: LineProgram) -> list[str | None]:
    """The files of a line table from firmware_src on; None for others."""
    folders = [_text(folder) for folder in program["include_directory"]]
    if program["version"] < 5:
        folders = ["", *folders]
    names: list[str | None] = []
    for entry in program["file_entry"]:
        folder = folders[entry.dir_index] if entry.dir_index < len(folders) else ""
        parts = PurePosixPath(folder, _text(entry.name)).parts
        names.append("/".join(parts[len(parts) - parts[::-1].index(OWN) - 1 :]) if OWN in parts else None)
    return names


def _text(name: bytes | str) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name
