"""A recording as a target: it returns the recorded bytes, and insists that the recorded bytes are written."""

from __future__ import annotations

import time
from pathlib import Path

from hil.board import Board
from hil.link.frames import Decoder, Frame
from hil.link.messages import Type
from hil.targets.base import Capabilities, Observed, TargetError
from hil.targets.closing import Closing
from hil.targets.recording import Event, Kind, Recording


class ReplayError(TargetError):
    """The host does something else than when the recording was made."""


class ReplayTarget(Closing):
    """The link repeats a session exactly, because nothing in it depends on time but what the target answers when."""

    def __init__(self, board: Board, recording: Recording, capabilities: Capabilities | None = None) -> None:
        self.board = board
        self.name = str(recording.header.get("target", "unknown"))
        self.capabilities = capabilities or Capabilities(cycles=None)
        self._recording = recording
        self._events = list(reversed(recording.events))

    @property
    def is_at_end(self) -> bool:
        """Whether everything has been replayed."""
        return not self._events

    def boot(self, elf: Path) -> None:
        self._expect("boot", "boots the board")

    def reset(self) -> None:
        self._expect("reset", "resets the board")

    def write(self, data: bytes) -> None:
        event = self._expect(">", f"sends {_described(data)}")
        if event.data != data:
            raise self._differs(event, f"sends {_described(data)}")
        if self._events and self._events[-1].kind == "!":
            raise TargetError(self._events.pop().text)

    def read(self, timeout_s: float) -> bytes:
        event = self._next("reads")
        if event.kind == "!":
            raise TargetError(event.text)
        if event.kind not in ("<", "-"):
            raise self._differs(event, "reads")
        return event.data

    def now_s(self) -> float:
        return time.monotonic()

    def read_memory(self, address: int, size: int) -> bytes:
        raise TargetError("a recording has no memory to read")

    def observed(self) -> Observed | None:
        return None

    def close(self) -> None:
        self._events.clear()

    def _expect(self, kind: Kind, what: str) -> Event:
        event = self._next(what)
        if event.kind != kind:
            raise self._differs(event, what)
        return event

    def _next(self, what: str) -> Event:
        if not self._events:
            raise ReplayError(f"{self._recording.path} ends where the host {what}: was the recording broken off?")
        return self._events.pop()

    def _differs(self, event: Event, what: str) -> ReplayError:
        then = {
            "<": f"read {_described(event.data)}", ">": f"sent {_described(event.data)}", "-": "read silence",
            "!": f"was told {event.text}", "boot": "booted the board", "reset": "reset the board",
        }[event.kind]  # fmt: skip
        return ReplayError(
            f"{self._recording.path}, line {event.number}: the host {what}; when this was recorded it {then}: "
            "record it again with this version of hil"
        )


def _described(data: bytes) -> str:
    """What bytes on the wire are, for messages."""
    frames = [item for item in Decoder().feed(data) if isinstance(item, Frame)]
    if not frames:
        return f"{len(data)} bytes"
    names = [Type(f.type).name if f.type in Type._value2member_map_ else f"type {f.type:#04x}" for f in frames]
    return f"{' '.join(names)} ({len(data)} bytes, sequence {frames[0].sequence})"
