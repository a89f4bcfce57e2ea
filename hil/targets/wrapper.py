"""A target around another one, for what watches or harms what passes between host and board."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from hil.targets.base import BreaksPeripherals, Direction, EndsLoops, FlipsBits, Observed, Target
from hil.targets.closing import Closing


class Wrapper(Closing):
    """Passes everything on; stands in for the target everywhere."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.name, self.board, self.capabilities = target.name, target.board, target.capabilities

    @property
    def place(self) -> str | None:
        """Which board of a lab it is; None where it is none, and before it is held."""
        return getattr(self.target, "place", None)

    def expect_work(self, seconds: float) -> None:
        if isinstance(self.target, EndsLoops):
            self.target.expect_work(seconds)

    def boot(self, elf: Path) -> None:
        self.target.boot(elf)

    def reset(self) -> None:
        self.target.reset()

    def write(self, data: bytes) -> None:
        self.target.write(data)

    def read(self, timeout_s: float) -> bytes:
        return self.target.read(timeout_s)

    def now_s(self) -> float:
        return self.target.now_s()

    def read_memory(self, address: int, size: int) -> bytes:
        return self.target.read_memory(address, size)

    def flip_bit(self, address: int, bit: int, at: int, call: int) -> None:
        cast(FlipsBits, self.target).flip_bit(address, bit, at, call)

    def flips(self) -> list[int]:
        return cast(FlipsBits, self.target).flips()

    def stall_dma(self, direction: Direction) -> None:
        cast(BreaksPeripherals, self.target).stall_dma(direction)

    def overrun_uart(self, count: int) -> None:
        cast(BreaksPeripherals, self.target).overrun_uart(count)

    def observed(self) -> Observed | None:
        return self.target.observed()

    def close(self) -> None:
        self.target.close()
