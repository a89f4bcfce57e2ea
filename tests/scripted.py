"""A board made of a function: what it answers to each frame."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from hil.link.frames import Decoder, Frame, encode
from hil.link.messages import State, Type

WELCOME = struct.pack("<HHIHHHB", 2, 267, 2048, 166, 0, 1, 0)
INFO = struct.pack(
    "<I12s2I7H2I24s16s32s16s32s", 0x413, b"u" * 12, 168_000_000, 921_600, 40, 30, 3, 4, 3, 3, 8, 240, 4096, b"a board",
    b"build", b"a model", b"hash", b"elf hash",
)  # fmt: skip


class ScriptedBoard:
    """Answers each frame by a function's frames; keeps what it was sent."""

    def __init__(self, answer: Callable[[Frame], Iterator[Frame]]) -> None:
        self._answer = answer
        self._decoder = Decoder()
        self._out = b""
        self.received: list[Frame] = []

    def write(self, data: bytes) -> None:
        for frame in self._decoder.feed(data):
            assert isinstance(frame, Frame)
            self.received.append(frame)
            self._out += b"".join(map(encode, self._answer(frame)))

    def read(self, timeout_s: float) -> bytes:
        out, self._out = self._out, b""
        return out


def status(sequence: int, session: int = 0, state: int = State.IDLE, taken: int = 0, limit: int = 3600) -> Frame:
    return Frame(Type.STATUS, sequence, struct.pack("<HBIIH", session, state, taken, limit, 0))


def friendly(frame: Frame) -> Iterator[Frame]:
    """Hello and information, and a status behind everything."""
    if frame.type == Type.HELLO:
        yield Frame(Type.WELCOME, frame.sequence, WELCOME)
    if frame.type == Type.READ:
        yield Frame(Type.DATA, frame.sequence, struct.pack("<BHII", 0, 0, 0, len(INFO)) + INFO)
    yield status(frame.sequence)
