"""What an interrupt at the stack's deepest point took, told from the words that it left there."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pytest
from board_programs import program

from hil.suite.interrupted import Depth, depth
from hil.targets.symbols import symbols

USED, RAN = 400, 1 << 24


@dataclass
class Memory:
    """A board of which only the deepest words are known."""

    words: tuple[int, ...]

    def read_memory(self, address: int, size: int) -> bytes:
        return struct.pack(f"<{len(self.words)}I", *self.words).ljust(size, b"\xc5")[:size]


@pytest.mark.parametrize(
    ("pushed", "status", "expected"),
    [
        ((), RAN, Depth(USED, USED - 104, USED - 32)),  # the handler has pushed nothing
        ((7, 0xFFFF_FFF9), RAN, Depth(USED, USED - 40, USED - 40)),
        ((7, 0xFFFF_FFE9), RAN, Depth(USED, USED - 112, USED - 112)),
        ((7, 0xFFFF_FFF9), RAN | 1 << 9, Depth(USED, USED - 44, USED - 44)),
        ((7, 0xFFFF_FFF9), RAN | 15, Depth(USED, USED, USED)),  # what it interrupted was no program
    ],
)
def test_an_interrupts_frame_is_told_by_where_it_returns_to(
    pushed: tuple[int, ...], status: int, expected: Depth
) -> None:
    table = symbols(program("crashes"))
    pc = (table.address("crash_by_undefined") or 0) & ~1
    assert depth(Memory((*pushed, 0, 0, 0, 0, 0, 0, pc, status)), table, USED) == expected  # type: ignore[arg-type]


def test_a_stack_without_such_a_frame_is_the_programs_own() -> None:
    table = symbols(program("crashes"))
    assert depth(Memory(tuple(range(12))), table, USED) == Depth(USED, USED, USED)  # type: ignore[arg-type]
