"""Images one behind the other: while the board computes one's last rows, the next one is on its way already.

The board handles frames in the order in which they come, and none while it has a tile to compute. So behind an image's
last tile its results can be asked for, and behind that the next image begun, without waiting for an answer. What is on
the way never exceeds the board's receive ring. Nothing is mended here: at the first sign of damage the stream ends,
and its owner runs the image that was not finished by itself (hil.link.client).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from hil.link import messages
from hil.link.channel import Answer, Channel, is_at_or_after
from hil.link.errors import LinkError
from hil.link.frames import fitting_payload, wire_bytes
from hil.link.messages import Data, Object, Status, Type, Welcome

MOST_ON_THE_WAY = 32768
EVERYTHING = 1 << 24  # of an object, in one request
SHORTEST_TILE = 64  # bytes of an image that are worth a frame while a longer one has no room


class Disturbed(LinkError):
    """Something was damaged, lost or refused: what is left is to be done one by one."""


_Outgoing = tuple[Type, bytes, Object | None]  # payload; what it asks for


@dataclass
class _Reading:
    """An object of an image that was asked for. sequence: of the request, which the answer names."""

    what: Object
    sequence: int
    session: int
    pieces: list[bytes] = field(default_factory=list)
    total: int | None = None

    @property
    def known_bytes(self) -> int:
        return sum(map(len, self.pieces))

    @property
    def is_complete(self) -> bool:
        return self.total is not None and self.known_bytes >= self.total

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)


class Stream:
    """One row of images. objects: what is read of each when it is done."""

    def __init__(self, channel: Channel, welcome: Welcome, objects: tuple[Object, ...]) -> None:
        self._channel, self._objects = channel, objects
        self._session = welcome.session
        self._credit = min(welcome.receive_bytes - (channel.retries + 1) * wire_bytes(0), MOST_ON_THE_WAY)
        self._max_payload = welcome.max_payload
        chunk = min(welcome.max_payload, self._credit // 2) - messages.TILE_HEADER_BYTES
        if chunk <= 0:
            raise LinkError(f"the board's receive ring of {welcome.receive_bytes} bytes is too small to stream into")
        self._chunk = chunk
        self._on_the_way: deque[tuple[int, int]] = deque()  # sequence number, bytes on the wire
        self._readings: deque[list[_Reading]] = deque()  # an image each, in order
        self._latest = channel.sequence  # that a status has named
        self.named = welcome.session  # by the board, the latest
        self._begun: set[int] = set()  # sessions that the board has named as its own

    def run(self, images: Iterator[bytes]) -> Iterator[dict[Object, bytes]]:
        """What is read of each image, in order. Raises Disturbed; fault reports and silence as the channel does."""
        frames = self._frames(images)
        self._channel.bound.begin()
        while self._send_what_fits(frames) or self._readings:
            self._listen()
            while self._readings and len(self._readings[0]) == len(self._objects):
                if not all(reading.is_complete for reading in self._readings[0]):
                    break
                yield self._finish(self._readings.popleft())

    def _finish(self, readings: list[_Reading]) -> dict[Object, bytes]:
        """What was read of an image; of none but that: where its beginning was lost, the last one's would be read."""
        if readings[0].session not in self._begun:
            raise Disturbed("the board has not said that it began this image")
        self._begun.discard(readings[0].session)
        self._channel.bound.begin()
        return {reading.what: reading.data for reading in readings}

    def _frames(self, images: Iterator[bytes]) -> Iterator[_Outgoing | None]:
        """All that is to be sent, each frame when there is room for it; None while there is none."""
        for image in images:
            self._session = (self._session + 1) & 0xFFFF
            yield from self._whole(Type.BEGIN, messages.begin(self._session, messages.TAP_NONE, len(image)))
            offset = 0
            while offset < len(image):
                size = self._tile_bytes(len(image) - offset)
                if size == 0:
                    yield None
                    continue
                yield Type.TILE, messages.tile(self._session, offset, image[offset : offset + size]), None
                offset += size
            chunk = self._max_payload - messages.DATA_HEADER_BYTES
            for what in self._objects:
                yield from self._whole(Type.READ, messages.read(what, 0, 0, EVERYTHING, chunk), what)

    def _whole(self, type: Type, payload: bytes, what: Object | None = None) -> Iterator[_Outgoing | None]:
        while wire_bytes(len(payload)) > self._room:
            yield None
        yield type, payload, what

    def _tile_bytes(self, left: int) -> int:
        """Of an image's rest, in the next frame; 0 for no room.

        What whole frames leave of the ring takes a shorter one: a frame more costs less than a line that rests.
        """
        longest = min(self._chunk, left)
        size = min(longest, fitting_payload(self._room) - messages.TILE_HEADER_BYTES)
        return size if size >= min(longest, SHORTEST_TILE) else 0

    @property
    def _room(self) -> int:
        """Bytes that may be sent now."""
        return self._credit - sum(on_wire for _, on_wire in self._on_the_way)

    def _send_what_fits(self, frames: Iterator[_Outgoing | None]) -> bool:
        """Returns whether something is left to be sent."""
        for frame in frames:
            if frame is None:
                return True
            self._send(*frame)
        return False

    def _send(self, type: Type, payload: bytes, what: Object | None = None) -> None:
        sequence = self._channel.send(type, payload)
        self._on_the_way.append((sequence, wire_bytes(len(payload))))
        if what is None:
            return
        if not self._readings or len(self._readings[-1]) == len(self._objects):
            self._readings.append([])
        self._readings[-1].append(_Reading(what, sequence, self._session))

    def _listen(self) -> None:
        event = self._channel.receive()
        if event is None:  # it computes, or an answer was lost: this one will tell
            self._send(Type.POLL, b"")
            return
        if not isinstance(event, Answer):
            raise Disturbed("a frame from the board was damaged")
        message = event.message
        is_news = isinstance(message, Status) and is_at_or_after(event.sequence, self._latest)
        if isinstance(message, Status) and is_news:
            self._note_session(event.sequence, message.session)
        if isinstance(message, Data):
            self._take(event.sequence, message)
        elif not isinstance(message, Status) or message.is_repeat:
            raise Disturbed(f"the board answers {message}")
        while self._on_the_way and is_at_or_after(event.sequence, self._on_the_way[0][0]):
            self._channel.bound.progress(self._on_the_way.popleft()[1])
        if is_news:
            assert isinstance(message, Status)
            self._check_nothing_lost(event.sequence, message.session)

    def _note_session(self, sequence: int, session: int) -> None:
        """Sessions go up, unless the board has started anew."""
        self._latest = sequence
        if not is_at_or_after(session, self.named):
            raise Disturbed("the board has gone back to an earlier image")
        self.named = session
        self._begun.add(session)

    def _take(self, sequence: int, message: Data) -> None:
        for reading in (reading for readings in self._readings for reading in readings):
            if reading.sequence == sequence and reading.what == message.what:
                if message.offset != reading.known_bytes:
                    raise Disturbed(f"the board sends byte {message.offset} of {reading.what.name} out of turn")
                reading.total = message.total
                reading.pieces.append(message.data)
                return
            if not reading.is_complete:
                raise Disturbed(f"a piece of {reading.what.name} was lost: the board is at the next request")
        raise Disturbed(f"the board sends {message.what!r}, for which nobody asked")

    def _check_nothing_lost(self, sequence: int, session: int) -> None:
        """A status comes behind what its image was asked for: what is not whole by then has lost a piece."""
        for reading in (reading for readings in self._readings for reading in readings):
            if is_at_or_after(sequence, reading.sequence) and reading.session == session and not reading.is_complete:
                raise Disturbed(f"a piece of {reading.what.name} was lost")
