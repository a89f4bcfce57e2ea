"""A target behind a line that does harm on command: to the next frame, or to a share of all bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from hil.link import frames
from hil.link.frames import Frame
from hil.link.messages import Type
from hil.targets.base import Target, how_many
from hil.targets.noise import Noise, NoisyLine
from hil.targets.wrapper import Wrapper

_STRAY = b"\x55\xaa" * 9


class Harm(Enum):
    """What can happen to a frame on its way to the board."""

    CORRUPTED = "corrupted"  # one byte changes
    CUT = "cut"  # two thirds are lost
    DROPPED = "dropped"
    DOUBLED = "doubled"
    DELAYED = "delayed"  # comes after the one behind it
    AFTER_GARBAGE = "after garbage"


@dataclass(frozen=True)
class _Order:
    harm: Harm
    type: Type | None  # of the frames it is for; None: any


class FaultyLine(Wrapper):
    """Stands in for the target everywhere. The bench writes one frame at a time, which is what makes harm exact."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.harmed = 0  # frames so far
        self._orders: deque[_Order] = deque()
        self._answers_to_corrupt = 0
        self._delayed: list[bytes] = []
        self.quieten()

    def harm_next(self, harm: Harm, type: Type | None = None, count: int = 1) -> None:
        """Harm the next frames of a type (of any, without) to the board, once each."""
        self._orders.extend([_Order(harm, type)] * how_many(count))

    def corrupt_next_answer(self, count: int = 1) -> None:
        """Change a byte of what the board says next."""
        self._answers_to_corrupt += how_many(count)

    def make_noisy(self, noise: Noise, seed: int = 0) -> None:
        """Damage and drop bytes in both directions from now on."""
        self._outward, self._homeward = NoisyLine(noise, seed), NoisyLine(noise, seed + 1)

    def quieten(self) -> None:
        """No more noise, and no harm that has not been done yet."""
        self.make_noisy(Noise())
        self._orders.clear()
        self._answers_to_corrupt = 0

    @property
    def waiting(self) -> int:
        """Harm that has not found its frame yet."""
        return len(self._orders) + self._answers_to_corrupt

    def write(self, data: bytes) -> None:
        order = next((order for order in self._orders if order.type is None or order.type == _type_of(data)), None)
        sent = [data]
        if order is not None:
            self._orders.remove(order)
            self.harmed += 1
            sent = _DONE_TO[order.harm](data)
        for frame in [*sent, *self._delayed]:
            super().write(self._outward.pass_on(frame))
        self._delayed = [data] if order is not None and order.harm is Harm.DELAYED else []

    def read(self, timeout_s: float) -> bytes:
        while data := super().read(timeout_s):
            if self._answers_to_corrupt and any(data):
                self._answers_to_corrupt -= 1
                self.harmed += 1
                data = _corrupted(data)[0]
            noisy = self._homeward.pass_on(data)
            if noisy:
                return noisy
        return b""


def _type_of(data: bytes) -> int | None:
    frame = frames.decode(data.strip(b"\0"))
    return frame.type if isinstance(frame, Frame) else None


def _corrupted(data: bytes) -> list[bytes]:
    """With one byte of its inside changed, and no delimiter made of it."""
    inside = [index for index, byte in enumerate(data) if byte]
    middle = inside[len(inside) // 2]
    changed = data[middle] ^ 0x10 or 0x20
    return [data[:middle] + bytes([changed]) + data[middle + 1 :]]


_DONE_TO: dict[Harm, Callable[[bytes], list[bytes]]] = {
    Harm.CORRUPTED: _corrupted,
    Harm.CUT: lambda data: [data[: len(data) // 3]],
    Harm.DROPPED: lambda data: [],
    Harm.DOUBLED: lambda data: [data, data],
    Harm.DELAYED: lambda data: [],
    Harm.AFTER_GARBAGE: lambda data: [_STRAY, data],
}
