"""Reading objects from the board: missing parts are requested, in pieces that suit the line, until none is missing."""

from __future__ import annotations

from hil.link import messages
from hil.link.channel import NOISE_PATIENCE, Answer, Channel, is_at_or_after
from hil.link.errors import BadAnswer, LinkTimeout, Refused
from hil.link.frames import Damage
from hil.link.messages import Data, Object, Refusal, Status, Type
from hil.link.pace import Pace

MOST_FRAMES = 64


class Download:
    """Reads objects; remembers between them how good the line is."""

    def __init__(self, channel: Channel, max_payload: int) -> None:
        self._channel = channel
        self._pace = Pace(max_payload - messages.DATA_HEADER_BYTES, MOST_FRAMES)

    def read(self, what: Object, index: int = 0, sizes: tuple[int, ...] = (), *, is_part: bool = False) -> bytes:
        """A whole object. sizes: that it may have, any without; is_part: of an exchange that has begun.

        Raises Refused where the board has no such object now, LinkTimeout when repetition fails, BadAnswer for another
        size.
        """
        if not is_part:
            self._channel.bound.begin()
        if what in messages.BYTES_OF:
            sizes = (messages.BYTES_OF[what],)
        reading = _Reading(self._channel, self._pace, what, index, sizes)
        failures = 0
        while not reading.is_complete:
            known = reading.known_bytes
            is_whole = reading.ask()
            self._channel.bound.progress(reading.known_bytes - known)
            if is_whole:
                self._pace.succeeded()
                continue
            self._pace.failed()
            self._channel.statistics.retries += 1
            failures = failures + 1 if reading.known_bytes == known else 0
            if failures > NOISE_PATIENCE * self._channel.retries:
                raise LinkTimeout(f"could not read {what.name} from the board, in {failures} attempts without progress")
        return reading.data


class _Reading:
    """What has come of one object, in any order."""

    def __init__(self, channel: Channel, pace: Pace, what: Object, index: int, sizes: tuple[int, ...]) -> None:
        self._channel, self._pace = channel, pace
        self._what, self._index = what, index
        self._first_sequence = (channel.sequence + 1) & 0xFFFF
        self._pieces: dict[int, bytes] = {}
        self._sizes = sizes
        self._total: int | None = None

    @property
    def known_bytes(self) -> int:
        """How much of it has come, what came twice counted once."""
        known = position = 0
        for offset, piece in sorted(self._pieces.items()):
            end = offset + len(piece)
            known += max(0, end - max(position, offset))
            position = max(position, end)
        return known

    @property
    def is_complete(self) -> bool:
        return self._total is not None and self._first_gap() is None

    @property
    def data(self) -> bytes:
        data = bytearray(self._total or 0)
        for offset, piece in self._pieces.items():
            data[offset : offset + len(piece)] = piece
        return bytes(data)

    def ask(self) -> bool:
        """Request the first gap and take what comes back. Returns whether all of it came."""
        start, end = self._first_gap() or (0, 0)
        chunk = self._pace.chunk
        end = min(end, start + chunk * self._pace.window)
        sequence = self._channel.send(Type.READ, messages.read(self._what, self._index, start, end - start, chunk))
        is_whole = self._listen(sequence, frames=-(-(end - start) // chunk) + 1)  # and a status behind them
        gap = self._first_gap()
        return is_whole and (gap is None or gap[0] >= end)

    def _first_gap(self) -> tuple[int, int] | None:
        position = 0
        for offset, piece in sorted(self._pieces.items()):
            if offset > position:
                return position, offset
            position = max(position, offset + len(piece))
        end = messages.LONGEST_OBJECT if self._total is None else self._total
        return (position, end) if position < end else None

    def _listen(self, sequence: int, frames: int) -> bool:
        """Take frames until the last of the answer, or as many as there can be. Returns whether none was damaged."""
        is_whole = True
        for _ in range(frames):
            event = self._channel.receive()
            if event is None:
                return False
            if isinstance(event, Damage):
                is_whole = False
            elif self._take(event, sequence):
                break
        return is_whole

    def _take(self, answer: Answer, sequence: int) -> bool:
        """Whether nothing more is to be expected: the answer has ended, or the request was damaged."""
        message = answer.message
        is_answer = is_at_or_after(answer.sequence, sequence)
        if isinstance(message, Refusal) and message.type == Type.READ and is_answer:
            raise Refused(str(message))
        if isinstance(message, Data) and (message.what, message.index) == (self._what, self._index):
            if is_at_or_after(answer.sequence, self._first_sequence):
                self._check(message.total)
                self._pieces[message.offset] = max(self._pieces.get(message.offset, b""), message.data, key=len)
            return False
        return isinstance(message, Status) and (is_answer or message.is_repeat)

    def _check(self, total: int) -> None:
        """An object has one size, and that which the board has promised."""
        expected = self._sizes if self._total is None else (self._total,)
        if expected and total not in expected:
            said = " or ".join(map(str, sorted(set(expected))))
            raise BadAnswer("DATA", "total", total, f"{said}, the bytes of {self._what.name}")
        self._total = total
