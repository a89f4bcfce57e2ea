"""A target around another one that remembers what passed since it was booted, as a recording would say it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from hil.failure.stripped import as_line
from hil.targets.base import Target, TargetError
from hil.targets.recording import FORMAT, VERSION, Event, Kind
from hil.targets.wrapper import Wrapper

MOST_BYTES = 16 << 20  # of traffic that is kept


class Session(Wrapper):
    """Stands in for the target everywhere. is_whole: nothing since the boot was dropped for its size."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.events: list[Event] = []
        self.is_whole = True
        self._bytes = 0
        self._start = time.monotonic()

    def boot(self, elf: Path) -> None:
        super().boot(elf)
        self.events, self.is_whole, self._bytes = [], True, 0
        self._note("boot")

    def reset(self) -> None:
        super().reset()
        self._note("reset")

    def write(self, data: bytes) -> None:
        self._note(">", data)
        try:
            super().write(data)
        except TargetError as error:
            self._note("!", text=str(error))
            raise

    def read(self, timeout_s: float) -> bytes:
        try:
            data = super().read(timeout_s)
        except TargetError as error:
            self._note("!", text=str(error))
            raise
        self._note("<" if data else "-", data)
        return data

    def _note(self, kind: Kind, data: bytes = b"", text: str = "") -> None:
        self.events.append(Event(self._seconds(), kind, data, text, len(self.events) + 2))
        self._bytes += len(data)
        if self._bytes > MOST_BYTES:
            del self.events[: len(self.events) // 2]
            self._bytes = sum(len(event.data) for event in self.events)
            self.is_whole = False

    def _seconds(self) -> float:
        try:
            seen = self.target.observed() if self.target.capabilities.virtual_time else None
        except TargetError:  # it has crashed, and is no more
            return self.events[-1].seconds if self.events else 0.0
        return seen.seconds if seen is not None and seen.seconds is not None else time.monotonic() - self._start


def session_of(target: object) -> Session | None:
    """The one among a target's wrappers; None where nothing was remembered."""
    while target is not None and not isinstance(target, Session):
        target = getattr(target, "target", None)
    return target


def as_recording(session: Session, header: dict[str, Any]) -> str:
    """The text of docs/recording.md, with nanoseconds, so that a simulated board can be driven by it again."""
    about = {"format": FORMAT, "version": VERSION, "target": session.name, "board": session.board.name}
    clock = "virtual" if session.capabilities.virtual_time else "wall"
    lines = [json.dumps(about | {"clock": clock} | header)]
    for event in session.events:
        content = event.data.hex() or as_line(event.text)
        lines.append(f"{event.seconds:.9f} {event.kind} {content}".rstrip())
    return "\n".join(lines) + "\n"
