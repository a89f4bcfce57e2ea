"""Boards that lie: whole frames whose content cannot be, and answers that never end."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scripted import INFO, WELCOME, ScriptedBoard, friendly, status

from hil.link import BadAnswer, Client, LinkTimeout, ProtocolMismatch
from hil.link.bound import BYTES, FRAMES, SECONDS
from hil.link.frames import Frame, encode
from hil.link.messages import Object, State, Type

IMAGE = np.zeros((30, 40, 3), np.uint8)
BOX = struct.pack("<5f", 1, 2, 3, 4, 0.5)
RESULT = struct.pack("<3Q9I", 9, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1)
OBJECTS = {
    Object.INFO: INFO, Object.RESULT: RESULT, Object.DETECTIONS: 2 * BOX, Object.LAYER_CYCLES: bytes(24),
    Object.DIGESTS: bytes(12),
}  # fmt: skip


def data(frame: Frame, objects: dict[Object, bytes], total: int | None = None) -> Frame:
    number, index, offset, length, chunk = struct.unpack("<BHIIH", frame.payload)
    content = objects[number]
    part = content[offset : offset + min(length, chunk)]
    head = struct.pack("<BHII", number, index, offset, len(content) if total is None else total)
    return Frame(Type.DATA, frame.sequence, head + part)


class HonestBoard(ScriptedBoard):
    """Takes an image and has results; `changed` are objects, `states` the statuses' fields, that are lies."""

    def __init__(self, changed: dict[Object, bytes] | None = None, **states: int) -> None:
        super().__init__(self._play)
        self.objects, self.states = OBJECTS | (changed or {}), states
        self.taken = self.session = 0

    def _play(self, frame: Frame) -> Iterator[Frame]:
        if frame.type == Type.HELLO:
            yield Frame(Type.WELCOME, frame.sequence, WELCOME)
        if frame.type == Type.BEGIN:
            self.session, self.taken = 1, 0
        if frame.type == Type.TILE:
            self.taken = max(self.taken, struct.unpack_from("<I", frame.payload, 2)[0] + len(frame.payload) - 6)
        if frame.type == Type.READ:
            yield data(frame, self.objects)
        state = State.DONE if self.taken == 3600 else State.RECEIVING if self.session else State.IDLE
        fields = {"session": self.session, "state": state, "taken": self.taken} | (self.states if self.session else {})
        yield status(frame.sequence, **fields)


def test_an_honest_board_is_believed() -> None:
    result = Client(HonestBoard()).infer(IMAGE, digests=True)
    assert result.detections == [(1, 2, 3, 4, 0.5)] * 2 and result.digests == [0, 0, 0]


def changed(content: bytes, at: int, code: str, value: float) -> bytes:
    new = struct.pack("<" + code, value)
    return content[:at] + new + content[at + len(new) :]


@pytest.mark.parametrize(
    ("what", "content", "field"),
    [
        (Object.INFO, INFO[:-1], "total"),
        (Object.INFO, INFO + b"\0", "total"),
        (Object.INFO, b"", "total"),
        (Object.INFO, changed(INFO, 24, "H", 0), "width"),
        (Object.INFO, changed(INFO, 32, "H", 0xFFFF), "layers"),
        (Object.RESULT, RESULT[:8], "total"),
        (Object.RESULT, changed(RESULT, 24, "I", 999), "detections"),
        (Object.RESULT, changed(RESULT, 24, "I", 3), "total"),
        (Object.RESULT, changed(RESULT, 56, "I", 4), "counter"),
        (Object.DETECTIONS, 2 * BOX + b"\0", "total"),
        (Object.DETECTIONS, BOX + changed(BOX, 4, "f", float("nan")), "y0"),
        (Object.DETECTIONS, BOX + changed(BOX, 8, "f", float("inf")), "x1"),
        (Object.DETECTIONS, BOX + changed(BOX, 16, "f", 1.5), "score"),
        (Object.LAYER_CYCLES, b"", "total"),
        (Object.DIGESTS, b"", "total"),
        (Object.DIGESTS, bytes(16), "total"),
        (Object.DIGESTS, bytes(11), "total"),
    ],
)
def test_an_object_that_lies_is_named_with_its_field(what: Object, content: bytes, field: str) -> None:
    with pytest.raises(BadAnswer) as caught:
        Client(HonestBoard({what: content})).infer(IMAGE, digests=True)
    assert caught.value.field == field and field in str(caught.value)


@pytest.mark.parametrize(
    ("states", "field"),
    [
        ({"taken": 1 << 32 - 1}, "taken"),
        ({"limit": 0xFFFF_FFFF}, "limit"),
        ({"state": State.DONE, "taken": 0}, "state"),
        ({"state": 9}, "state"),
    ],
)
def test_a_status_that_lies_is_named_with_its_field(states: dict[str, int], field: str) -> None:
    with pytest.raises(BadAnswer) as caught:
        Client(HonestBoard(**states)).infer(IMAGE)
    assert (caught.value.message, caught.value.field) == ("STATUS", field)


@pytest.mark.parametrize(("at", "code", "value", "field"), [
    (2, "H", 0, "max_payload"), (2, "H", 5, "max_payload"), (4, "I", 3, "receive_bytes"), (8, "H", 1, "info_bytes"),
])  # fmt: skip
def test_a_welcome_that_lies_is_named_with_its_field(at: int, code: str, value: int, field: str) -> None:
    board = ScriptedBoard(lambda frame: iter([Frame(Type.WELCOME, frame.sequence, changed(WELCOME, at, code, value))]))
    with pytest.raises(BadAnswer) as caught:
        Client(board).hello()
    assert (caught.value.message, caught.value.field, caught.value.value) == ("WELCOME", field, value)


@pytest.mark.parametrize("type", [t for t in Type if t & 0x80 and t != Type.FAULT])
def test_frames_of_a_wrong_length_are_errors_and_no_tracebacks(type: Type) -> None:
    def answer(frame: Frame) -> Iterator[Frame]:
        yield from friendly(frame)
        if frame.type == Type.BEGIN:
            yield Frame(type, frame.sequence, b"\2")

    with pytest.raises(BadAnswer, match="length"):
        Client(ScriptedBoard(answer)).infer(IMAGE)


def test_another_version_is_named_even_where_its_other_frames_are_strange() -> None:
    def foreign(frame: Frame) -> Iterator[Frame]:
        yield Frame(Type.STATUS, frame.sequence, b"of another length")
        yield Frame(Type.WELCOME, frame.sequence, struct.pack("<H", 9))

    with pytest.raises(ProtocolMismatch, match="protocol 9"):
        Client(ScriptedBoard(foreign)).hello()


def test_names_from_a_board_never_carry_escape_sequences() -> None:
    info = INFO.replace(b"a board", b"\x1b[31mR\r")
    hello = Client(HonestBoard({Object.INFO: info})).hello()
    assert hello.board == r"\x1b[31mR\r" and hello.board.isprintable()


class Clocked(ScriptedBoard):
    """Its time passes with its bytes; `byte` is what it says, at every 20 ms, to whoever listens."""

    def __init__(self, answer: Callable[[Frame], Iterator[Frame]], byte: bytes = b"", every_s: float = 0.02) -> None:
        super().__init__(answer)
        self.byte, self.every_s, self.time_s = byte, every_s, 0.0

    def now_s(self) -> float:
        return self.time_s

    def read(self, timeout_s: float) -> bytes:
        out = super().read(timeout_s) or self.byte
        self.time_s += self.every_s if out else timeout_s
        return out


def silent(frame: Frame) -> Iterator[Frame]:
    return iter(())


@pytest.mark.parametrize("byte", [b"\0", b"\x55"])
def test_a_byte_every_20_ms_does_not_extend_an_exchange(byte: bytes) -> None:
    board = Clocked(silent, byte)
    with pytest.raises(LinkTimeout, match="nothing new"):
        Client(board).hello()
    assert board.time_s <= SECONDS + 0.1


def test_zeros_for_ever_end_by_their_number() -> None:
    board = Clocked(silent, bytes(4096), every_s=0)
    with pytest.raises(LinkTimeout, match=f"{BYTES} bytes"):
        Client(board).hello()


@pytest.mark.parametrize(
    "states", [{"limit": 0}, {"taken": 0, "state": State.RECEIVING}], ids=["credit of 0", "nothing taken"]
)
def test_answers_that_bring_nothing_new_do_not_extend_an_image(states: dict[str, int]) -> None:
    board = HonestBoard(**states)
    with pytest.raises(LinkTimeout, match="nothing new"):
        Client(board).infer(IMAGE)
    assert len(board.received) <= FRAMES + 100


def test_sequence_numbers_of_the_future_are_no_answers() -> None:
    class Prophet(HonestBoard):
        def _play(self, frame: Frame) -> Iterator[Frame]:
            for answer in super()._play(frame):
                is_late = frame.type in (Type.TILE, Type.POLL)
                yield Frame(answer.type, answer.sequence + 100 * is_late & 0xFFFF, answer.payload)

    board = Prophet()
    with pytest.raises(LinkTimeout, match="nothing new"):
        Client(board).infer(IMAGE)
    assert len(board.received) <= FRAMES + 100


def test_a_flood_of_whole_frames_ends() -> None:
    def flood(frame: Frame) -> Iterator[Frame]:
        yield from (status(0xFFFF, session=7) for _ in range(FRAMES + 1))

    with pytest.raises(LinkTimeout, match="frames"):
        Client(ScriptedBoard(flood)).hello()


def test_a_result_that_drips_in_is_paid_for_by_its_bytes() -> None:
    """A byte of INFO an answer is new each time; what it may take is bounded by the bytes that INFO has."""

    class Dripping(HonestBoard):
        def _play(self, frame: Frame) -> Iterator[Frame]:
            for answer in super()._play(frame):
                yield Frame(
                    answer.type, answer.sequence, answer.payload[:12] if answer.type == Type.DATA else answer.payload
                )

    board = Dripping()
    assert Client(board).hello().board == "a board"
    assert len(board.received) < 2 * len(INFO)


def test_answers_to_a_host_that_is_no_more_are_no_answers() -> None:
    """A thousand of them wait on the line when the next host comes, with numbers that are later than its own."""
    board = HonestBoard()
    board._out = b"".join(encode(status(n)) for n in range(300, 1300))
    assert Client(board).hello().board == "a board"
