"""The device's high-water marks, compared with its memory if the target lets the host read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hil.targets.base import Target
from hil.targets.symbols import symbols

WORD = 4
ARENA_PAINT = b"\xa5"  # PAINT in model.c


@dataclass(frozen=True)
class Memory:
    """The heap's room as it was when the firmware had started. origin: its first address."""

    elf: Path
    origin: int
    before: bytes


def remember(target: Target, elf: Path) -> Memory | None:
    """Look at the heap before anything has run; None where memory cannot be read, or the ELF has no heap."""
    if not target.capabilities.reads_memory:
        return None
    first, end = (symbols(elf).address(name) for name in ("_heap_start", "_heap_end"))
    if first is None or end is None or end <= first:
        return None
    return Memory(elf, first, target.read_memory(first, end - first))


def heap_beyond(target: Target, memory: Memory | None, heap_used: int | None) -> int | None:
    """How far off the device's mark is: bytes written above it, up to the last one, or more than was asked for."""
    if memory is None or heap_used is None:
        return None
    after = target.read_memory(memory.origin, len(memory.before))
    written = max((i for i, (a, b) in enumerate(zip(memory.before, after, strict=True)) if a != b), default=-1) + 1
    return max(0, written - heap_used, heap_used - _heap_asked_for(target, memory, heap_used))


def _heap_asked_for(target: Target, memory: Memory, heap_used: int) -> int:
    """The most that was ever taken of the heap, as port/stm32f4/heap.c keeps it; heap_used for another firmware."""
    most = symbols(memory.elf).address("heap_most")
    return heap_used if most is None else int.from_bytes(target.read_memory(most, WORD), "little")


def arena_beyond(target: Target, elf: Path, arena_used: int | None) -> int | None:
    """How far what the device says it has used of its arenas is from the paint that can be seen in them."""
    if not target.capabilities.reads_memory or arena_used is None:
        return None
    known = symbols(elf)
    arenas = [
        target.read_memory(address, known.size(name))
        for name in known.starting_with("arena_")
        if (address := known.address(name)) is not None
    ]
    return abs(sum(len(arena.rstrip(ARENA_PAINT)) for arena in arenas) - arena_used) if arenas else None


def stack_beyond(target: Target, elf: Path, stack_used: int | None) -> int | None:
    """How far the device's stack mark is from the paint that can be seen in its memory."""
    if not target.capabilities.reads_memory or stack_used is None:
        return None
    limit, top = (symbols(elf).address(name) for name in ("_stack_limit", "_stack_top"))
    if limit is None or top is None:
        return None
    stack = target.read_memory(limit, top - limit)
    words = memoryview(stack).cast("I")
    untouched = next((n for n, word in enumerate(words) if word != words[0]), len(words)) * WORD
    return abs(len(stack) - untouched - stack_used)
