"""Breakpoints and watchpoints on a simulated board, and the places in its run at which they were met."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np
import unicorn
from numpy.typing import NDArray

from hil.debug import hooks
from hil.targets.sim import SimBoard
from hil.targets.sim.core import unicorn_api
from hil.targets.sim.core.blocks import decode

_WIDEST = 8  # bytes that an access has at most


class Kind(Enum):
    """What a point waits for, as GDB names it."""

    BREAK = "hwbreak"
    WRITE = "watch"
    READ = "rwatch"
    ACCESS = "awatch"


@dataclass(frozen=True)
class Point:
    """A breakpoint at an address, or a watchpoint on `size` bytes from it on."""

    kind: Kind
    address: int
    size: int = 0


@dataclass(frozen=True)
class Hit:
    """A point that was met: by the instruction at pc, before which so many had been executed.

    block: the address of the block it is in, which was entered at `cycle`. accessed: the address it reads or writes.
    pc is None where it was not the core: DMA, or exception entry.
    """

    point: Point
    instructions: int
    cycle: int
    pc: int | None
    accessed: int


class Points:
    """The points of one board. They cost nothing while there is none."""

    def __init__(self, board: SimBoard) -> None:
        self._board = board
        self._ledger = np.zeros(hooks.LEDGER_WORDS, np.int64)
        self._ledger[hooks.STATE] = board.core.state_address
        self._points: dict[int, tuple[Point, list[int], NDArray[np.int64]]] = {}
        self._next = 0
        self._others: list[Hit] = []

    @property
    def all(self) -> list[Point]:
        return [point for point, _, _ in self._points.values()]

    @property
    def watches(self) -> bool:
        """Whether any is a watchpoint."""
        return any(point.kind is not Kind.BREAK for point in self.all)

    def add(self, point: Point) -> None:
        """Wait for it from now on; one that is there already counts once."""
        if point in self.all:
            return
        self._next += 1
        last = point.address + max(1, point.size) - 1
        kinds = {Kind.WRITE: hooks.WRITES, Kind.READ: hooks.READS, Kind.ACCESS: hooks.READS | hooks.WRITES}
        wanted = kinds.get(point.kind, 0)
        words = np.array([self._ledger.ctypes.data, self._next, point.address, last, wanted], np.int64)
        uc, data, handles = self._board.core.uc, int(words.ctypes.data), []
        if point.kind is Kind.BREAK:
            at = point.address & ~1
            handles.append(
                unicorn_api.add_native_hook(uc, unicorn.UC_HOOK_CODE, hooks.on_instruction.address, data, at, at)
            )
        else:
            kind = (unicorn.UC_HOOK_MEM_READ if wanted & hooks.READS else 0) | (
                unicorn.UC_HOOK_MEM_WRITE if wanted & hooks.WRITES else 0
            )
            first = max(0, point.address - _WIDEST + 1)
            handles.append(unicorn_api.add_native_hook(uc, kind, hooks.on_access.address, data, first, last))
        unicorn_api.forget_translations(uc)
        self._points[self._next] = point, handles, words
        self._listen()

    def remove(self, point: Point) -> None:
        """Wait for it no longer."""
        for number, (known, handles, _) in list(self._points.items()):
            if known == point:
                for handle in handles:
                    unicorn_api.remove_native_hook(self._board.core.uc, handle)
                del self._points[number]
        self._listen()

    def clear(self) -> None:
        for point in self.all:
            self.remove(point)

    def begin(self, stops: bool) -> None:
        """Forget all hits. stops: the board stops at the next one, instead of going on."""
        self._ledger[hooks.STOPS] = stops
        self._ledger[hooks.COUNT] = 0
        self._others.clear()

    @property
    def stops(self) -> bool:
        """Whether the board stops at hits."""
        return bool(self._ledger[hooks.STOPS])

    def hits(self) -> list[Hit]:
        """All since begin(), in their order; of very many the last."""
        count = int(self._ledger[hooks.COUNT])
        numbers = range(max(0, count - hooks.CAPACITY), count)
        found = [self._hit(self._entry(number)) for number in numbers]
        return sorted([*found, *self._others], key=lambda hit: hit.instructions)

    def _entry(self, number: int) -> list[int]:
        start = hooks.ENTRIES + hooks.ENTRY_WORDS * (number % hooks.CAPACITY)
        return [int(word) for word in self._ledger[start : start + hooks.ENTRY_WORDS]]

    def _hit(self, entry: list[int]) -> Hit:
        block, pc = entry[hooks.E_BLOCK], entry[hooks.E_PC] & ~1
        core = self._board.core
        size = max(0, block + entry[hooks.E_BLOCK_SIZE] - pc)
        behind = sum(1 for _ in decode(pc, core.memory.read(pc, size)))
        point = self._points[entry[hooks.E_POINT]][0]
        before = entry[hooks.E_INSTRUCTIONS] - behind
        return Hit(point, before, entry[hooks.E_CYCLE], pc, entry[hooks.E_ADDRESS])

    # -- what others than the core write

    def _listen(self) -> None:
        memory = self._board.core.memory
        wants_writes = any(point.kind in (Kind.WRITE, Kind.ACCESS) for point in self.all)
        memory.on_write = self._on_write if wants_writes else None

    def _on_write(self, address: int, size: int) -> None:
        core = self._board.core
        for point in self._written(address, size):
            hit = Hit(point, core.executed, core.now, None, max(address, point.address))
            self._others.append(hit)
            if self.stops:
                self._board.stop_soon()

    def _written(self, address: int, size: int) -> Iterator[Point]:
        for point in self.all:
            is_inside = address < point.address + max(1, point.size) and address + size > point.address
            if point.kind in (Kind.WRITE, Kind.ACCESS) and is_inside:
                yield point
