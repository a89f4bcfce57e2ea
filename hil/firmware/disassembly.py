"""Who calls whom in a Thumb ELF, and how much each function pushes: read from its instructions."""

from __future__ import annotations

import bisect
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import capstone
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section

from hil.elf_file import elf_file
from hil.firmware.elf import symbols

VECTORS = 16 + 96  # at most: the core's and the chip's (RM0090, table 62)
_BRANCH = re.compile(r"(b|bl|b(eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le))(\.w|\.n)?$")
_Instruction = tuple[int, int, str, str]  # address, size, mnemonic, operands


@dataclass
class Function:
    """A function, its frame and the addresses of those it calls."""

    name: str
    address: int
    size: int
    frame_bytes: int = 0
    is_dynamic: bool = False  # alloca or a variable-length array: no frame size at compile time
    calls_indirectly: bool = False
    callees: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Image:
    """The functions of an ELF by address (without the Thumb bit) and how they are reached.

    entry: where reset goes; handlers: in the vector table, reset's excepted; address_taken: functions whose address
    stands in the image outside the vector table.
    """

    functions: dict[int, Function]
    entry: int
    handlers: frozenset[int]
    address_taken: frozenset[int]


def read_image(path: Path) -> Image:
    """Disassemble a firmware. Raises HilError if the file is no ELF."""
    with elf_file(path) as elf:
        functions = _functions(elf)
        sections = [
            s for s in elf.iter_sections() if s["sh_flags"] & SH_FLAGS.SHF_ALLOC and s["sh_type"] == "SHT_PROGBITS"
        ]
        reader = _Reader(functions, _code_marks(elf))
        for section in sections:
            if section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR:
                reader.read(section["sh_addr"], section.data())
        first = min(
            (s for s in sections if s["sh_size"]), key=lambda s: s["sh_addr"] if s["sh_addr"] >> 27 else 1 << 32
        )
        entry = elf["e_entry"] & ~1
        table = _words(first)[:VECTORS]
        end = _end_of_table(table)
        handlers = _pointers(table[1:end], functions) - {entry}
        taken = reader.taken | _pointers(
            (w for s in sections for w in (_words(s)[end:] if s is first else _words(s))), functions
        )
    return Image(functions, entry, frozenset(handlers), frozenset(taken - {entry}))


def _functions(elf: ELFFile) -> dict[int, Function]:
    functions: dict[int, Function] = {}
    for symbol in symbols(elf):
        if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_shndx"] != "SHN_UNDEF":
            address = symbol["st_value"] & ~1
            size = max(symbol["st_size"], functions[address].size if address in functions else 0)
            functions[address] = Function(symbol.name, address, size)
    return functions


def _code_marks(elf: ELFFile) -> list[tuple[int, bool]]:
    """Where code ($t) and data among code ($d) start, sorted (ELF for the Arm Architecture, 5.5.5)."""
    marks = (s for s in symbols(elf) if s.name[:2] in ("$t", "$d"))
    return sorted({(mark["st_value"] & ~1, mark.name.startswith("$d")) for mark in marks})


class _Reader:
    """Reads functions' instructions into their records."""

    def __init__(self, functions: dict[int, Function], marks: list[tuple[int, bool]]) -> None:
        self.functions = functions
        self.marks = marks
        self.starts = [address for address, _ in marks]
        self.taken: set[int] = set()  # functions whose address an instruction pair makes, as clang does
        self._low_halves: dict[str, int] = {}
        self.decoder = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
        self.decoder.skipdata = True

    def read(self, base: int, content: bytes) -> None:
        """Read the functions that lie in a section."""
        for function in self.functions.values():
            if base <= function.address < base + len(content):
                start = function.address - base
                code = content[start : start + function.size]
                self._low_halves.clear()
                for instruction in self.decoder.disasm_lite(code, function.address):
                    if not self._is_data(instruction[0]):
                        self._take(function, instruction)

    def _is_data(self, address: int) -> bool:
        index = bisect.bisect_right(self.starts, address) - 1
        return index >= 0 and self.marks[index][1]

    def _take(self, function: Function, instruction: _Instruction) -> None:
        """Note what an instruction pushes and where it goes; a branch into another function is a call (tail call)."""
        _, _, mnemonic, operands = instruction
        self._note_constant(mnemonic, operands)
        function.frame_bytes += pushed_bytes(mnemonic, operands)
        if _BRANCH.match(mnemonic) and operands.startswith("#"):
            target = int(operands[1:], 0)
            if target in self.functions and (target != function.address or mnemonic == "bl"):
                function.callees.add(target)
        elif mnemonic.startswith("blx") or (mnemonic.startswith("bx") and operands != "lr"):
            function.calls_indirectly = True

    def _note_constant(self, mnemonic: str, operands: str) -> None:
        """MOVW and MOVT of one register make a word; one that is a function's Thumb address takes it."""
        register, _, immediate = operands.partition(", #")
        if mnemonic == "movw" and immediate:
            self._low_halves[register] = int(immediate, 0)
        elif mnemonic == "movt" and register in self._low_halves:
            word = int(immediate, 0) << 16 | self._low_halves[register]
            self.taken |= _pointers((word,), self.functions)


def pushed_bytes(mnemonic: str, operands: str) -> int:
    """How far an instruction moves the stack pointer down."""
    name = mnemonic.removesuffix(".w")
    if name in ("push", "vpush") or (name in ("stmdb", "vstmdb") and operands.startswith("sp!")):
        registers = operands[operands.index("{") + 1 : operands.index("}")].split(",")
        return sum(_register_bytes(entry.strip()) for entry in registers)
    found = re.fullmatch(r"sp, (?:sp, )?#(0x[0-9a-f]+|\d+)", operands)
    if name in ("sub", "subw") and found:
        return int(found[1], 0)
    found = re.search(r"\[sp, #-(0x[0-9a-f]+|\d+)\]!", operands)
    return int(found[1], 0) if name.startswith("str") and found else 0


def _register_bytes(entry: str) -> int:
    """Bytes of a register or a range such as s16-s31."""
    first, _, last = entry.partition("-")
    count = int(last[1:]) - int(first[1:]) + 1 if last else 1
    return count * (8 if first.startswith("d") else 4)


def _words(section: Section) -> tuple[int, ...]:
    content = section.data()
    return struct.unpack(f"<{len(content) // 4}I", content[: len(content) // 4 * 4])


def _end_of_table(words: tuple[int, ...]) -> int:
    """Words of the vector table: after the stack pointer only 0 and Thumb addresses stand in it."""
    return next((i for i, word in enumerate(words) if i and word and not word & 1), len(words))


def _pointers(words: Iterable[int], functions: dict[int, Function]) -> set[int]:
    return {word & ~1 for word in words if word & 1 and word & ~1 in functions}
