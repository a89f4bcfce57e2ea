"""The static bound on the stack: frames of all functions along the deepest path of the call graph.

Frames are the larger of gcc's -fstack-usage figure and what the function's own pushes and subtractions add up to
(assembly and library functions have only the latter). Calls are read from the disassembly (disassembly.py). A call
through a register may go to any function whose address is taken anywhere in the image. Interrupts nest at worst all on
top of the deepest path, each with an exception frame that saves the FPU (ARMv7-M Architecture Reference Manual,
B1.5.7).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hil.firmware.disassembly import Function, Image, read_image

EXCEPTION_FRAME_BYTES = 108  # 8 core words, 18 FPU words, one word of alignment
ON_PURPOSE = re.compile(r"^provoke$")  # it misbehaves when asked to: no run but the one that asks calls them
FAULTS = re.compile(r"(?i)(fault|nmi|default)")  # a fault ends the run: what it stacks comes after the last measurement


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
    image = read_image(elf_path)
    _apply_stack_usage(image, usage_folder)
    handlers = sorted(a for a in image.handlers if not FAULTS.search(image.functions[a].name))
    search = _DeepestPath(image)
    thread_bytes, path = search.from_function(image.entry)
    interrupt_bytes = sum(EXCEPTION_FRAME_BYTES + search.from_function(handler)[0] for handler in handlers)
    unbounded = tuple(sorted(search.unbounded))
    named = tuple((image.functions[address].name, image.functions[address].frame_bytes) for address in path)
    return StackBound(None if unbounded else thread_bytes + interrupt_bytes, named, interrupt_bytes, unbounded)


class _DeepestPath:
    """Depth-first search for the most expensive chain of calls, remembering what it has found."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.unbounded: set[str] = set()
        self._known: dict[int, tuple[int, tuple[int, ...]]] = {}
        self._open: list[int] = []

    def from_function(self, address: int) -> tuple[int, tuple[int, ...]]:
        """Bytes and addresses of the deepest chain that starts here; recursion is noted in `unbounded`."""
        function = self.image.functions.get(address)
        if function is None or ON_PURPOSE.match(function.name):
            return 0, ()
        if address in self._open:
            self.unbounded |= {self.image.functions[a].name for a in self._open[self._open.index(address) :]}
            return 0, ()
        if address not in self._known:
            self._known[address] = self._explore(address, function)
        return self._known[address]

    def _explore(self, address: int, function: Function) -> tuple[int, tuple[int, ...]]:
        if function.is_dynamic:
            self.unbounded.add(function.name)
        callees = function.callees | (self.image.address_taken if function.calls_indirectly else set())
        self._open.append(address)
        bytes_below, path_below = max((self.from_function(callee) for callee in sorted(callees)), default=(0, ()))
        self._open.pop()
        return function.frame_bytes + bytes_below, (address, *path_below)


def _apply_stack_usage(image: Image, folder: Path) -> None:
    """Raise frames to gcc's own figures; functions of the same name all get the largest of theirs."""
    frames: dict[str, tuple[int, bool]] = {}
    for path in sorted(folder.glob("*.su")):
        for line in path.read_text().splitlines():
            where, size, kind = line.split("\t")
            name = where.rsplit(":", 1)[1]
            known_size, known_dynamic = frames.get(name, (0, False))
            frames[name] = max(int(size), known_size), known_dynamic or kind == "dynamic"
    for function in image.functions.values():
        size_bytes, is_dynamic = frames.get(function.name, (0, False))
        function.frame_bytes = max(function.frame_bytes, size_bytes)
        function.is_dynamic |= is_dynamic
