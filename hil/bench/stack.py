"""The static bound on the stack: frames of all functions along the deepest path of the call graph.

Frames are the larger of gcc's -fstack-usage figure and what the function's own pushes and subtractions add up to
(assembly and library functions have only the latter). Calls are read from the disassembly. A call through a register
may go to any function whose address is taken anywhere in the image. Interrupts nest at worst all on top of the deepest
path, each with an exception frame that saves the FPU (ARMv7-M Architecture Reference Manual, B1.5.7).
"""

from __future__ import annotations

import bisect
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path

import capstone
from elftools.elf.elffile import ELFFile

from hil.bench.elf import open_elf

EXCEPTION_FRAME_BYTES = 108  # 8 core words, 18 FPU words, one word of alignment
ON_PURPOSE = re.compile(r"^provoke_")  # these misbehave when asked to: no run but the one that asks calls them
FAULT_HANDLERS = re.compile(r"(?i)(fault|nmi|default)")  # a fault ends the run: what it stacks is past the last measurement
WORDS_OF_VECTOR_TABLE = 16 + 96


@dataclass
class Function:
    """A function of the image, its frame and whom it calls."""

    name: str
    address: int
    size: int
    frame_bytes: int = 0
    is_dynamic: bool = False  # alloca or a variable-length array: no frame size at compile time
    calls_indirectly: bool = False
    callees: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class StackBound:
    """The most stack that any run can use, in bytes; None if there is none, with the functions that are to blame.

    path: the deepest chain of calls from the reset handler as (function, frame bytes). interrupt_bytes: what nested
    interrupts add to it.
    """

    bytes: int | None
    path: tuple[tuple[str, int], ...]
    interrupt_bytes: int
    unbounded: tuple[str, ...] = ()


def stack_bound(elf_path: Path, usage_folder: Path) -> StackBound:
    """The bound for a firmware, its .su files being in usage_folder. Raises HilError if elf_path is no ELF."""
    with open_elf(elf_path) as elf:
        functions = _functions(elf)
        _disassemble(elf, functions)
        _apply_stack_usage(functions, usage_folder)
        handlers = _interrupt_handlers(elf, functions)
        taken = _address_taken(elf, functions) - handlers
        start = elf["e_entry"] & ~1
    search = _DeepestPath(functions, taken)
    bytes_, path = search.from_function(start)
    interrupt_bytes = sum(EXCEPTION_FRAME_BYTES + search.from_function(handler)[0] for handler in sorted(handlers))
    unbounded = tuple(sorted(search.unbounded))
    total = None if unbounded else bytes_ + interrupt_bytes
    named = tuple((functions[address].name, functions[address].frame_bytes) for address in path)
    return StackBound(total, named, interrupt_bytes, unbounded)


class _DeepestPath:
    """Depth-first search for the most expensive chain of calls, remembering what it has found."""

    def __init__(self, functions: dict[int, Function], address_taken: set[int]) -> None:
        self.functions = functions
        self.address_taken = address_taken
        self.unbounded: set[str] = set()
        self._known: dict[int, tuple[int, tuple[int, ...]]] = {}
        self._open: list[int] = []

    def from_function(self, address: int) -> tuple[int, tuple[int, ...]]:
        """Bytes and addresses of the deepest chain that starts here; recursion is noted in `unbounded`."""
        if address in self._known or address not in self.functions:
            return self._known.get(address, (0, ()))
        if address in self._open:
            self.unbounded |= {self.functions[a].name for a in self._open[self._open.index(address) :]}
            return 0, ()
        function = self.functions[address]
        if ON_PURPOSE.match(function.name):
            return 0, ()
        if function.is_dynamic:
            self.unbounded.add(function.name)
        self._open.append(address)
        callees = function.callees | (self.address_taken if function.calls_indirectly else set())
        below = max((self.from_function(callee) for callee in sorted(callees)), default=(0, ()))
        self._open.pop()
        found = function.frame_bytes + below[0], (address, *below[1])
        self._known[address] = found
        return found


def _functions(elf: ELFFile) -> dict[int, Function]:
    """All functions by address (without the Thumb bit)."""
    functions: dict[int, Function] = {}
    for symbol in elf.get_section_by_name(".symtab").iter_symbols():
        if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_shndx"] != "SHN_UNDEF":
            address = symbol["st_value"] & ~1
            size = max(symbol["st_size"], functions[address].size if address in functions else 0)
            functions[address] = Function(symbol.name, address, size)
    return functions


def _code_sections(elf: ELFFile) -> list[tuple[int, bytes]]:
    return [(s["sh_addr"], s.data()) for s in elf.iter_sections() if s["sh_flags"] & 4 and s["sh_type"] == "SHT_PROGBITS"]


def _data_ranges(elf: ELFFile) -> list[tuple[int, bool]]:
    """Where code ($t) and data in code ($d) start, sorted (ELF for the Arm Architecture, 5.5.5)."""
    marks = [
        (symbol["st_value"] & ~1, symbol.name.startswith("$d"))
        for symbol in elf.get_section_by_name(".symtab").iter_symbols()
        if symbol.name[:2] in ("$t", "$d")
    ]
    return sorted(set(marks))


def _disassemble(elf: ELFFile, functions: dict[int, Function]) -> None:
    """Fill in callees and pushed bytes from the instructions."""
    decoder = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    decoder.skipdata = True
    marks = _data_ranges(elf)
    starts = [address for address, _ in marks]
    for base, content in _code_sections(elf):
        for function in functions.values():
            if not base <= function.address < base + len(content):
                continue
            code = content[function.address - base : function.address - base + function.size]
            _read_function(function, functions, decoder.disasm_lite(code, function.address), marks, starts)


def _read_function(function, functions, instructions, marks, starts) -> None:  # type: ignore[no-untyped-def]
    pushed = 0
    for address, _, mnemonic, operands in instructions:
        mark = bisect.bisect_right(starts, address) - 1
        if mark >= 0 and marks[mark][1]:
            continue  # a literal pool
        pushed += _pushed_bytes(mnemonic, operands)
        name = mnemonic.removesuffix(".w")
        target = int(operands[1:], 16) if operands.startswith("#0x") else None
        if name.startswith("b") and target is not None and target in functions and target != function.address:
            function.callees.add(target)
        elif name == "bl" and target == function.address:
            function.callees.add(target)
        elif name.startswith("blx") or (name.startswith("bx") and operands != "lr"):
            function.calls_indirectly = True
    function.frame_bytes = pushed


def _pushed_bytes(mnemonic: str, operands: str) -> int:
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


def _apply_stack_usage(functions: dict[int, Function], folder: Path) -> None:
    """Raise frames to gcc's own figures; functions of the same name all get the largest of theirs."""
    frames: dict[str, tuple[int, bool]] = {}
    for path in sorted(folder.glob("*.su")):
        for line in path.read_text().splitlines():
            where, size, kind = line.split("\t")
            name = where.rsplit(":", 1)[1]
            known = frames.get(name, (0, False))
            frames[name] = max(int(size), known[0]), known[1] or kind == "dynamic"
    for function in functions.values():
        size, is_dynamic = frames.get(function.name, (0, False))
        function.frame_bytes = max(function.frame_bytes, size)
        function.is_dynamic |= is_dynamic


def _interrupt_handlers(elf: ELFFile, functions: dict[int, Function]) -> set[int]:
    """Handlers in the vector table, except reset's and those of faults."""
    section = min((s for s in elf.iter_sections() if s["sh_flags"] & 2 and s["sh_size"]), key=lambda s: s["sh_addr"] or 1 << 32)
    flash = [s for s in elf.iter_sections() if s["sh_flags"] & 2 and s["sh_size"] and s["sh_addr"] >= 0x0800_0000]
    section = min(flash, key=lambda s: s["sh_addr"], default=section)
    words = _words(section.data()[: 4 * WORDS_OF_VECTOR_TABLE])[2:]
    handlers = {word & ~1 for word in words if word & 1 and word & ~1 in functions}
    return {address for address in handlers if not FAULT_HANDLERS.search(functions[address].name)}


def _address_taken(elf: ELFFile, functions: dict[int, Function]) -> set[int]:
    """Functions whose address (with the Thumb bit) stands in a word of the image outside the vector table."""
    taken: set[int] = set()
    table = min((s["sh_addr"] for s in elf.iter_sections() if s["sh_flags"] & 2 and s["sh_addr"] >= 0x0800_0000), default=0)
    for section in elf.iter_sections():
        if not section["sh_flags"] & 2 or section["sh_type"] != "SHT_PROGBITS":
            continue
        words = _words(section.data())
        if section["sh_addr"] == table:
            words = words[WORDS_OF_VECTOR_TABLE:]
        taken |= {word & ~1 for word in words if word & 1 and word & ~1 in functions}
    return taken


def _words(content: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(content) // 4}I", content[: len(content) // 4 * 4])
