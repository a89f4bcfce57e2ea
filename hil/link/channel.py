"""Frames over a transport: sequence numbers, counters, and the patience that a silent board is given."""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from hil.link import frames, messages
from hil.link.bound import Bound
from hil.link.errors import BadAnswer, DeviceFault, LinkTimeout
from hil.link.fault import FaultReport
from hil.link.frames import Damage, Decoder, Frame
from hil.link.messages import Message, Type

log = logging.getLogger(__name__)

# A line that damages everything is given up after this many times the patience for a silent one.
NOISE_PATIENCE = 10


class Transport(Protocol):
    """A serial line; every target is one (hil.targets.base). Where its time is not the wall's, it has `now_s`."""

    def write(self, data: bytes) -> None: ...

    def read(self, timeout_s: float) -> bytes: ...


@dataclass
class Statistics:
    """What went over the line and how often something had to be repeated."""

    bytes_in: int = 0
    bytes_out: int = 0
    frames_in: int = 0
    frames_out: int = 0
    retries: int = 0  # requests and tiles sent again
    naks: int = 0  # repetitions the board asked for
    damaged: int = 0  # frames from the board that arrived damaged
    timeouts: int = 0  # silences that were ended by asking again


@dataclass(frozen=True)
class Answer:
    """A message from the board; sequence: of the latest frame of ours that it had handled."""

    sequence: int
    message: Message


def is_at_or_after(sequence: int, other: int) -> bool:
    """Whether a sequence number is the other or a later one, modulo 65536."""
    return (sequence - other) & 0xFFFF < 0x8000


class Channel:
    """Sends requests and receives answers; knows nothing of what they mean.

    timeout_s: of the target's time, that the board may be silent before it is asked again, doubled at each silence in a
    row up to eightfold. retries: how often it is asked again. patience: times that all of that takes longer.
    """

    def __init__(self, transport: Transport, timeout_s: float, retries: int, patience: float = 1.0) -> None:
        self.transport = transport
        self.timeout_s = timeout_s * patience
        self.retries = retries
        self.statistics = Statistics()
        self.bound = Bound(getattr(transport, "now_s", time.monotonic), retries, patience)
        self._decoder = Decoder()
        self._arrived: deque[Frame | Damage] = deque()
        self.sequence = 0  # of the latest frame sent
        self._silences = 0
        self._silent_s = 0.0
        self._noises = 0
        self._is_known = False  # the board speaks this version of the protocol

    def send(self, type: Type, payload: bytes = b"") -> int:
        """Put a frame on the line. Returns its sequence number."""
        self.sequence = (self.sequence + 1) & 0xFFFF
        wire = frames.encode(Frame(type, self.sequence, payload))
        self.transport.write(wire)
        self.statistics.frames_out += 1
        self.statistics.bytes_out += len(wire)
        return self.sequence

    def receive(self) -> Answer | Damage | None:
        """The next thing from the board; None after timeout_s of silence.

        Raises LinkTimeout when there have been too many silences, or nothing but damage, in a row, or when the bound of
        the exchange is reached; BadAnswer for a whole frame that no board sends; DeviceFault when the firmware reports
        its end.
        """
        timeout_s = self.timeout_s * min(1 << self._silences, 8)
        event = self._next(timeout_s)
        if event is None:
            self._note_silence(timeout_s)
        return event

    def listen(self) -> Answer | Damage | None:
        """As receive, where silence is nothing to count."""
        return self._next(self.timeout_s)

    def drain(self) -> None:
        """Take in what has waited on the line since before: answers to a host that is no more."""
        while self._next(0.0) is not None:
            pass

    def _next(self, timeout_s: float) -> Answer | Damage | None:
        while not self._arrived:
            data = self.bound.reading(self.transport.read, timeout_s)
            if not data:
                return None
            self.statistics.bytes_in += len(data)
            self._arrived.extend(self._decoder.feed(data))
        item = self._arrived.popleft()
        self.bound.take_frame()
        return self._note_damage(item) if isinstance(item, Damage) else self._understand(item)

    def _understand(self, frame: Frame) -> Answer | Damage:
        try:
            message = messages.parse(frame.type, frame.payload)
        except BadAnswer as error:
            if self._is_known or frame.type == Type.WELCOME:
                raise
            return self._note_damage(Damage(str(error), frame.payload))  # perhaps of another version, as WELCOME says
        self._silences, self._silent_s, self._noises = 0, 0.0, 0
        self.statistics.frames_in += 1
        if isinstance(message, messages.Welcome):
            self._is_known = message.protocol == messages.PROTOCOL
        if isinstance(message, FaultReport):
            raise DeviceFault(message)
        if isinstance(message, messages.Status) and message.is_repeat:
            self.statistics.naks += 1
        return Answer(frame.sequence, message)

    def _note_damage(self, damage: Damage) -> Damage:
        log.debug("damaged frame from the board: %s", damage.reason)
        self.statistics.damaged += 1
        self._silences, self._silent_s = 0, 0.0
        self._noises += 1
        if self._noises > NOISE_PATIENCE * self.retries:
            raise LinkTimeout(
                f"the last {self._noises} frames from the board were all damaged ({damage.reason}): "
                "check the baud rate and the wiring"
            )
        return damage

    def _note_silence(self, seconds: float) -> None:
        self.statistics.timeouts += 1
        self._silences += 1
        self._silent_s += seconds
        if self._silences > self.retries:
            raise LinkTimeout(
                f"no answer from the board for {self._silent_s:.3g} s, asked {self._silences} times: "
                "is it running this firmware, and on this line?"
            )
