"""The image's way to the board: from the first byte that is missing, never more than the board's ring holds."""

from __future__ import annotations

from collections import deque

from hil.link import messages
from hil.link.channel import Answer, Channel, is_at_or_after
from hil.link.errors import BadAnswer, LinkError, UnexpectedReset
from hil.link.frames import wire_bytes
from hil.link.messages import State, Status, Type, Welcome
from hil.link.pace import Pace

MOST_ON_THE_WAY = 32768  # of which a pipe to the host's own process holds twice as much
MOST_FRAMES = 64
MOST_FUTILE = 200  # repetitions in a row that bring not one byte further; at 2 % damaged bytes never seen


class Upload:
    """One image on its way. `step` sends what may be sent, waits for one answer and says where the board is.

    Credit: bytes on the wire since the frame that the board's latest answer names. Less than its receive ring, and than
    what is kept back for the polls that end silences; so no byte can be dropped, however long the board computes.

    Recovery: when the board asks for a repetition, or an answer is damaged or missing, one frame is sent as a probe,
    and nothing else until an answer names it: then all that came before has been handled, and `taken` is exact.
    """

    def __init__(self, channel: Channel, welcome: Welcome, status: Status, image: bytes) -> None:
        self._channel = channel
        self._image = image
        self._session = status.session
        self._sent = 0  # bytes from the first on
        self._check(status)
        self.status = status
        channel.bound.begin()
        reserve = (channel.retries + 1) * wire_bytes(0)
        self._credit = min(welcome.receive_bytes - reserve, MOST_ON_THE_WAY)
        chunk = min(welcome.max_payload, self._credit // 2) - messages.TILE_HEADER_BYTES
        if chunk <= 0:
            raise LinkError(
                f"the board's receive ring of {welcome.receive_bytes} bytes is too small for {channel.retries} retries"
            )
        self._pace = Pace(chunk, MOST_FRAMES)
        self._next = status.taken
        self._on_the_way: deque[tuple[int, int]] = deque()  # sequence number, bytes on the wire
        self._bytes_on_the_way = 0
        self._probe: int | None = None
        self._latest = channel.sequence  # that the board is known to have handled
        self._futile = 0

    @property
    def total(self) -> int:
        """Bytes of the image."""
        return len(self._image)

    def step(self) -> Status:
        """Raises UnexpectedReset if the board has forgotten this image, LinkError if it never gets what it is sent,
        BadAnswer if it says what cannot be."""
        self._send_what_fits()
        event = self._channel.receive()
        if isinstance(event, Answer):
            if isinstance(event.message, messages.Refusal) and event.message.type == Type.TILE:
                raise LinkError(str(event.message))
            if isinstance(event.message, Status):
                self._take_in(event.sequence, event.message)
        else:
            if event is not None:
                self._pace.failed()
            self._probe = self._channel.send(Type.POLL)
        return self.status

    def _send_what_fits(self) -> None:
        while self._probe is None and self._next < self.status.limit and len(self._on_the_way) < self._pace.window:
            size = min(self._pace.chunk, self.status.limit - self._next)
            if not self._has_credit(size):
                return
            self._send_tile(size)

    def _has_credit(self, size: int) -> bool:
        return self._bytes_on_the_way + wire_bytes(size + messages.TILE_HEADER_BYTES) <= self._credit

    def _send_tile(self, size: int) -> int:
        data = self._image[self._next : self._next + size]
        sequence = self._channel.send(Type.TILE, messages.tile(self._session, self._next, data))
        on_wire = wire_bytes(size + messages.TILE_HEADER_BYTES)
        self._on_the_way.append((sequence, on_wire))
        self._bytes_on_the_way += on_wire
        self._next += size
        self._sent = max(self._sent, self._next)
        return sequence

    def _check(self, status: Status) -> None:
        """Raises BadAnswer for a state that this image cannot have brought about."""
        if status.taken > self._sent:
            raise BadAnswer("STATUS", "taken", status.taken, f"0 to {self._sent}, which have been sent")
        if status.limit > self.total:
            raise BadAnswer("STATUS", "limit", status.limit, f"0 to {self.total}, the image's bytes")
        if status.state == State.DONE and status.taken < self.total:
            raise BadAnswer("STATUS", "state", status.state, f"no DONE after {status.taken} of {self.total} bytes")

    def _take_in(self, sequence: int, status: Status) -> None:
        if not (is_at_or_after(sequence, self._latest) and is_at_or_after(self._channel.sequence, sequence)):
            return  # late, or meant for somebody else
        if status.session != self._session:
            raise UnexpectedReset("the board was reset in the middle of an image: run it again")
        self._check(status)
        if status.taken < self.status.taken:
            return  # late: a board never takes back what it has taken
        is_news = sequence != self._latest
        self._latest = sequence
        while self._on_the_way and is_at_or_after(sequence, self._on_the_way[0][0]):
            self._bytes_on_the_way -= self._on_the_way.popleft()[1]
        if status.taken > self.status.taken:
            self._futile = 0
            self._channel.bound.progress(status.taken - self.status.taken)
        self.status = status
        if self._probe is not None and is_at_or_after(sequence, self._probe):
            self._resume(status)
        elif status.is_repeat and (self._probe is None or not is_news):
            # While a probe is out: without news this is about a damaged frame, perhaps the probe; else an older one.
            self._go_back(status)
        elif self._probe is None:
            self._pace.succeeded()

    def _resume(self, status: Status) -> None:
        self._probe = None
        if status.taken < self._next:
            self._note_futile()
        else:
            self._pace.succeeded()
        self._next = status.taken

    def _go_back(self, status: Status) -> None:
        self._note_futile()
        self._next = status.taken
        size = min(self._pace.chunk, status.limit - self._next)
        if size > 0 and status.state == State.RECEIVING and self._has_credit(size):
            self._probe = self._send_tile(size)
        else:
            self._probe = self._channel.send(Type.POLL)

    def _note_futile(self) -> None:
        self._channel.statistics.retries += 1
        self._pace.failed()
        self._futile += 1
        if self._futile > MOST_FUTILE:
            raise LinkError(
                f"byte {self.status.taken} of the image arrives damaged although it was sent {self._futile} times: "
                "check the baud rate and the wiring"
            )
