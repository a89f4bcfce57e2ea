"""A line between host and board on which something happens at drawn bytes."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from hil.errors import HilError
from hil.targets.base import Target, TargetLostError
from hil.targets.wrapper import Wrapper

MOST_SECONDS = 90.0  # of the target's time, after which a case is a hang
MOST_READS = 500_000
_MOST_BYTES = 40  # that one fault touches

HARMS = ("flip", "drop", "double", "garbage", "truncate", "delay", "reorder", "split", "merge")
ENDINGS = ("disconnect", "reset", "power", "killed")  # of the line, of the board by its button, its supply; of the host


class HostKilledError(HilError):
    """The host ends here, in the middle of whatever it does; nothing of it may run any more."""


class HangError(HilError):
    """An exchange that should have ended did not."""


@dataclass(frozen=True)
class Fault:
    """What happens, in which direction ("out" to the board), at which byte since the case began."""

    kind: str
    direction: str
    at: int


class TorturedLine(Wrapper):
    """Stands in for the target. `done` counts the faults that happened, by kind.

    restart: switches the board off and on. Raises TargetLostError and HostKilledError where a fault is that, HangError
    when too much time passes.
    """

    def __init__(self, target: Target, faults: list[Fault], dice: random.Random, restart: Callable[[], None]) -> None:
        super().__init__(target)
        self._dice, self._restart = dice, restart
        self.done: dict[str, int] = {}
        self._out, self._home = (
            _Direction([f for f in faults if f.direction == direction], dice, self._happen)
            for direction in ("out", "home")
        )
        self._waiting = b""
        self._reads, self._begun = 0, target.now_s()

    def write(self, data: bytes) -> None:
        for piece in self._out.passed(data):
            super().write(piece)

    def count_read(self) -> None:
        """Raises HangError where this has gone on for too long."""
        self._reads += 1
        if self._reads > MOST_READS or self.now_s() - self._begun > MOST_SECONDS:
            raise HangError(f"still reading after {self._reads} reads, {self.now_s() - self._begun:.0f} s")

    def read(self, timeout_s: float) -> bytes:
        self.count_read()
        if not self._waiting:
            data = super().read(timeout_s)
            if not data:
                return self._home.late()
            *pieces, self._waiting = self._home.passed(data) or [b""]
            if pieces:
                first, self._waiting = pieces[0], b"".join([*pieces[1:], self._waiting])
                return first
        waiting, self._waiting = self._waiting, b""
        return waiting or self._home.late()

    def _happen(self, kind: str) -> None:
        self.done[kind] = self.done.get(kind, 0) + 1
        if kind == "disconnect":
            raise TargetLostError("the line is gone")
        if kind == "killed":
            raise HostKilledError("the host ends")
        if kind == "reset":
            self.target.reset()
        if kind == "power":
            self._restart()


class _Direction:
    """One direction's bytes, counted."""

    def __init__(self, faults: list[Fault], dice: random.Random, happen: Callable[[str], None]) -> None:
        self._faults = sorted(faults, key=lambda fault: fault.at)
        self._dice, self._happen = dice, happen
        self._count = 0
        self._held = b""  # what comes later
        self._silences = 0  # that pass before it does, where nothing else comes
        self._is_cut = False  # up to the next delimiter

    def late(self) -> bytes:
        """What was held back, when nothing else comes; b"" where the host is to wait in vain once more."""
        if self._held and self._silences:
            self._silences -= 1
            return b""
        late, self._held = self._held, b""
        return late

    def passed(self, data: bytes) -> list[bytes]:
        """What comes out at the other end, in pieces as it comes."""
        pieces: list[bytes] = []
        held, self._held = self._held, b""
        while data:
            here = self._faults[0].at - self._count if self._faults else len(data)
            if here >= len(data):
                pieces.append(self._uncut(data))
                self._count += len(data)
                break
            here = max(0, here)
            pieces.append(self._uncut(data[:here]))
            data = data[here:]
            self._count += here
            kind = self._faults.pop(0).kind
            self._happen(kind)
            data = self._harmed(kind, data, pieces)
        if held:
            pieces.append(held)  # overtaken by what came after it
        return [piece for piece in pieces if piece]

    def _harmed(self, kind: str, data: bytes, pieces: list[bytes]) -> bytes:
        """Do a fault to what is about to pass."""
        size = self._dice.randint(1, _MOST_BYTES)
        if kind == "flip":
            return bytes([data[0] ^ self._dice.randint(1, 255)]) + data[1:]
        if kind == "drop":
            self._count += min(size, len(data))
            return data[size:]
        if kind == "double":
            pieces.append(data[:size])
        elif kind == "garbage":
            pieces.append(self._dice.randbytes(size))
        elif kind == "truncate":
            self._is_cut = True
        elif kind == "split":
            pieces.append(data[:1])
            self._count += 1
            return data[1:]
        elif kind in ("delay", "merge", "reorder"):
            cut = len(data) if kind == "merge" else size if kind == "delay" else data.find(b"\0", 1) + 1 or len(data)
            self._held += data[:cut]
            self._silences = self._dice.randint(0, 2) if kind == "delay" else 0
            self._count += len(data[:cut])
            return data[cut:]
        return data

    def _uncut(self, data: bytes) -> bytes:
        if not self._is_cut or not data:
            return data
        end = data.find(b"\0")
        self._is_cut = end < 0
        return b"" if end < 0 else data[end:]
