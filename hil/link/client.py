"""The host's end of the link: say hello, run an image, provoke a crash."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.link import messages
from hil.link.channel import Channel, Statistics, Transport, is_at_or_after
from hil.link.download import Download
from hil.link.errors import (
    BadAnswer,
    DeviceFault,
    LinkError,
    LinkTimeout,
    ProtocolError,
    ProtocolMismatch,
    Refused,
    UnexpectedReset,
)
from hil.link.exchange import request
from hil.link.fault import FaultReport
from hil.link.layout import Layout
from hil.link.messages import Counts, Info, Message, Object, Provoke, State, Status, Type, Welcome
from hil.link.results import Hello, Result
from hil.link.stream import Disturbed, Stream
from hil.link.upload import Upload

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
PATIENCE_S = 7.6  # of twenty silences of 0.05 to 0.4 s
LATE_BEGINS = 3  # of images that were on their way when their row ended
MOST_TAPPED = 1 << 26  # bytes of one tensor; the largest of VGA photos take 40 million


class Client:
    """Speaks to one board over one transport.

    timeout_s: silence, in the target's time, after which the board is asked again, longer each time in a row; retries:
    how often. The defaults give a board up 7.6 s after its last sign of life. busy_s: how long it may compute at a
    stretch, when it does not answer: it is given at least twice that.
    """

    def __init__(
        self, transport: Transport, *, timeout_s: float = 0.05, retries: int = 20, busy_s: float = 0.0
    ) -> None:
        self._channel = Channel(transport, timeout_s, retries, max(1.0, 2 * busy_s / PATIENCE_S))
        self._hello: Hello | None = None
        self._download: Download | None = None

    @property
    def statistics(self) -> Statistics:
        return self._channel.statistics

    def hello(self) -> Hello:
        """Ask the board what it is. Raises ProtocolMismatch, or LinkTimeout where nothing answers."""
        self._channel.listen()  # a board that has just been started announces itself as soon as it can hear
        self._channel.drain()
        welcome = self._greet()
        self._download = Download(self._channel, welcome.max_payload)
        info = Info.parse(self._download.read(Object.INFO))
        self._hello = _hello(welcome, info)
        return self._hello

    def infer(
        self,
        image: NDArray[np.uint8],
        tap: int | None = None,
        progress: Progress | None = None,
        *,
        digests: bool = False,
    ) -> Result:
        """Run an image, (H, W, C) uint8, of exactly the network's size.

        tap: number of a tensor that is wanted as well. digests: a CRC-32 of each tensor instead. progress: called with
        bytes taken by the board and bytes in all. Raises LinkError, DeviceFault, ProtocolError.
        """
        if digests and tap is not None:
            raise LinkError("taps and digests exclude each other: ask for one of them")
        hello = self._hello or self.hello()
        pixels = _checked(image, hello)
        tap_code = messages.TAP_DIGESTS if digests else messages.TAP_NONE if tap is None else tap
        welcome = self._greet()  # the board may have been reset since
        status = self._begin((welcome.session + 1) & 0xFFFF, tap_code, len(pixels))
        try:
            pieces = self._stream(Upload(self._channel, welcome, status, pixels), progress)
            return self._collect(pieces if tap is not None else None, digests)
        except (UnexpectedReset, Refused) as error:
            raise self._explain(error, status.session) from None

    def infer_many(self, images: Iterable[NDArray[np.uint8]]) -> Iterator[Result]:
        """Run images as infer does, in order, each one's transfer beginning while the one before is computed.

        Where the line damages something, the image at hand is run by itself, which counts as a retry. Raises what infer
        raises, and ProtocolError where another firmware answers than at the start.
        """
        hello = self._hello or self.hello()
        info = self._reader().read(Object.INFO)
        kept = _Kept(_checked(image, hello) for image in images)
        wanted: tuple[Object, ...] = (Object.INFO, Object.RESULT, Object.LAYER_CYCLES)
        wanted += (Object.LOGITS,) if hello.max_detections == 0 else ()
        wanted += (Object.DETECTIONS,)  # last: the board sends them while it takes in the next image
        while kept.has_more():
            welcome = self._greet()
            stream = Stream(self._channel, welcome, wanted)
            try:
                for objects in stream.run(kept.from_here()):
                    if objects.pop(Object.INFO) != info:
                        raise ProtocolError("another firmware answers than at the start: is the port switched over?")
                    kept.done()
                    yield self._collect(None, False, _Objects(objects))
            except Disturbed as error:
                log.debug("run by itself: %s", error)
                now = self._greet()
                if now.boots != welcome.boots or not is_at_or_after(now.session, stream.named):
                    raise UnexpectedReset(
                        "the board was reset in the middle of a row of images: run it again"
                    ) from None
                self._channel.statistics.retries += 1
                image = np.frombuffer(kept.first, np.uint8).reshape(hello.height, hello.width, hello.channels)
                result = self._by_itself(image, now.boots)
                kept.done()
                yield result

    def _by_itself(self, image: NDArray[np.uint8], boots: int) -> Result:
        """An image that a late BEGIN of its row may break into. Raises UnexpectedReset if the board has restarted."""
        for _ in range(LATE_BEGINS):
            try:
                return self.infer(image)
            except UnexpectedReset:
                if self._greet().boots != boots:
                    raise
                self._channel.statistics.retries += 1
        return self.infer(image)

    def provoke(self, kind: Provoke | str) -> None:
        """Ask the firmware to crash, by name ("null_call").

        Raises DeviceFault with its report, or what else the target makes of a crash; LinkError if it survives.
        """
        kind = _provocation(kind)
        if self._hello is None:
            self.hello()

        def is_fatal(message: Message) -> bool:
            return isinstance(message, Status) and message.has_fault

        try:
            request(self._channel, Type.PROVOKE, bytes([kind]), is_fatal)
        except Refused as error:
            raise LinkError(f"{error} (it survived {kind.name.lower()})") from None
        raise DeviceFault(self._kept_fault())

    def reset(self) -> None:
        """Ask the firmware to reset its chip. The next call finds it started anew."""
        boots = self._greet().boots
        for _ in range(self._channel.retries):
            self._channel.send(Type.RESET)
            self._channel.listen()  # it announces itself as soon as it can hear; what is said before that is lost
            if self._greet().boots != boots:
                return
        raise LinkTimeout(f"the board did not reset itself, though asked {self._channel.retries} times")

    def _greet(self) -> Welcome:
        welcome = request(self._channel, Type.HELLO, b"", lambda message: isinstance(message, Welcome))
        assert isinstance(welcome, Welcome)
        if welcome.protocol != messages.PROTOCOL:
            raise ProtocolMismatch(
                f"the firmware speaks protocol {welcome.protocol}, this version of hil {messages.PROTOCOL}: "
                "build and flash the firmware again"
            )
        return welcome

    def _begin(self, session: int, tap: int, image_bytes: int) -> Status:
        def is_started(message: Message) -> bool:
            return isinstance(message, Status) and message.session == session

        status = request(self._channel, Type.BEGIN, messages.begin(session, tap, image_bytes), is_started)
        assert isinstance(status, Status)
        return status

    def _stream(self, upload: Upload, progress: Progress | None) -> list[bytes]:
        """Send the image and read what is tapped as it comes."""
        pieces: list[bytes] = []
        status = upload.status
        while status.state != State.DONE:
            if status.state == State.TAP_WAITS:
                self._read_tapped(status, pieces)
            if status.state == State.IDLE:
                raise LinkError("the board ended the image: nobody read its tapped piece in time")
            status = upload.step()
            if progress:
                progress(status.taken, upload.total)
        return pieces

    def _read_tapped(self, status: Status, pieces: list[bytes]) -> None:
        if status.piece == len(pieces):
            pieces.append(self._reader().read(Object.TAP_PIECE, status.piece, is_part=True))
            if sum(map(len, pieces)) > MOST_TAPPED:
                raise ProtocolError(
                    f"the board's tapped tensor has more than {MOST_TAPPED} bytes: is it this firmware?"
                )
        elif status.piece > len(pieces):
            raise LinkError(f"the board offers piece {status.piece} of the tapped layer, expected {len(pieces)}")
        self._channel.send(Type.RELEASE, messages.release(status.session, status.piece))

    def _collect(self, pieces: list[bytes] | None, digests: bool, objects: _Objects | None = None) -> Result:
        reader: Download | _Objects = objects or self._reader()
        assert self._hello is not None
        hello = self._hello
        is_classifier = hello.max_detections == 0
        counts = Counts.parse(reader.read(Object.RESULT))
        if counts.detections > hello.max_detections:
            raise BadAnswer("RESULT", "detections", counts.detections, f"0 to {hello.max_detections}, as its INFO says")

        def rows(what: Object, layout: Layout, count: int) -> list[tuple[Any, ...]]:
            return layout.rows(reader.read(what, sizes=(count * layout.size,)), count)

        boxes = self._boxes(reader, counts.detections)
        cycles = rows(Object.LAYER_CYCLES, messages.LAYER_CYCLES, hello.layers)
        crcs = rows(Object.DIGESTS, messages.DIGEST, hello.tensors) if digests else []
        logits = messages.LOGIT.rows(reader.read(Object.LOGITS)) if is_classifier else []
        return Result(
            detections=boxes,
            layer_cycles=None if counts.cycles is None else [spent for (spent,) in cycles],
            decode_cycles=counts.decode_cycles,
            schedule_cycles=counts.schedule_cycles,
            counter=counts.counter,
            total_cycles=counts.cycles,
            stack_used=counts.stack_used,
            heap_used=counts.heap_used,
            arena_used=counts.arena_used,
            tap=None if pieces is None else np.frombuffer(b"".join(pieces), np.uint8),
            digests=[crc for (crc,) in crcs] if digests else None,
            logits=[value for (value,) in logits] if is_classifier else None,
            board_damaged=counts.damaged,
            board_repeated=counts.repeated,
            board_overruns=counts.overruns,
        )

    @staticmethod
    def _boxes(reader: Download | _Objects, count: int) -> list[tuple[float, ...]]:
        """The boxes, with a class each from a detector of several."""
        layouts = messages.DETECTION, messages.CLASSED_DETECTION
        found = reader.read(Object.DETECTIONS, sizes=tuple(count * layout.size for layout in layouts))
        return next(layout for layout in layouts if count * layout.size == len(found)).rows(found, count)

    def _reader(self) -> Download:
        if self._download is None:
            self.hello()
        assert self._download is not None
        return self._download

    def _explain(self, error: LinkError, session: int) -> LinkError:
        """Why an image broke off: the fault that the board kept over its reset, whose report may have been lost."""
        if self._greet().session == session:
            return error
        try:
            return DeviceFault(self._kept_fault())
        except Refused:
            return UnexpectedReset("the board was reset in the middle of an image: run it again")

    def _kept_fault(self) -> FaultReport:
        return FaultReport.parse(self._reader().read(Object.FAULT))


class _Objects:
    """Objects that have been read already."""

    def __init__(self, objects: dict[Object, bytes]) -> None:
        self._objects = objects

    def read(self, what: Object, index: int = 0, sizes: tuple[int, ...] = ()) -> bytes:
        """As Download.read. Raises BadAnswer for another size than it may have."""
        data = self._objects[what]
        sizes = (messages.BYTES_OF[what],) if what in messages.BYTES_OF else sizes
        if sizes and len(data) not in sizes:
            raise BadAnswer(what.name, "bytes", len(data), " or ".join(map(str, sizes)))
        return data


class _Kept:
    """Images on their way: each is kept until its result is there."""

    def __init__(self, images: Iterator[bytes]) -> None:
        self._images, self._kept = images, deque[bytes]()

    @property
    def first(self) -> bytes:
        """The oldest that has no result yet."""
        return self._kept[0]

    def has_more(self) -> bool:
        if not self._kept:
            self._kept.extend(islice(self._images, 1))
        return bool(self._kept)

    def from_here(self) -> Iterator[bytes]:
        """The oldest without a result, and all behind it."""
        yield from tuple(self._kept)
        for image in self._images:
            self._kept.append(image)
            yield image

    def done(self) -> None:
        self._kept.popleft()


def _hello(welcome: Welcome, info: Info) -> Hello:
    return Hello(
        protocol=welcome.protocol,
        board=info.board,
        build_id=info.build_id,
        model_name=info.model,
        model_hash=info.model_hash,
        elf_hash=info.elf_hash,
        width=info.width,
        height=info.height,
        channels=info.channels,
        tile_rows=info.tile_rows,
        layers=info.layers,
        tensors=info.tensors,
        chip_id=info.chip_id,
        unique_id=info.unique_id,
        clock_hz=info.clock_hz,
        baud=info.baud,
        arena_bytes=info.arena_bytes,
        stack_bytes=info.stack_bytes,
        max_detections=info.max_detections,
        receive_bytes=welcome.receive_bytes,
        max_payload=welcome.max_payload,
        boots=welcome.boots,
        reset_cause=welcome.reset_cause,
    )


def _checked(image: NDArray[np.uint8], hello: Hello) -> bytes:
    expected = (hello.height, hello.width, hello.channels)
    if image.dtype != np.uint8 or image.shape != expected:
        raise LinkError(
            f"image is {image.dtype} {image.shape}, {hello.model_name} takes uint8 {expected} (height, width, channels)"
        )
    return image.tobytes()


def _provocation(kind: Provoke | str) -> Provoke:
    try:
        return kind if isinstance(kind, Provoke) else Provoke[kind.upper()]
    except KeyError:
        known = ", ".join(member.name.lower() for member in Provoke)
        raise LinkError(f"cannot provoke {kind!r}: choose one of {known}") from None
