"""The client against boards that are silent, noisy, foreign or unwilling; and its credit."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from scripted import ScriptedBoard, friendly, status

from hil.link import Client, LinkError, LinkTimeout, ProtocolMismatch, Refused
from hil.link.frames import Frame, wire_bytes
from hil.link.messages import State, Type


def test_hello_tells_what_the_board_is() -> None:
    hello = Client(ScriptedBoard(friendly)).hello()
    assert (hello.board, hello.build_id, hello.model_name, hello.chip_id) == ("a board", "build", "a model", 0x413)
    assert (hello.height, hello.width, hello.channels, hello.tile_rows) == (30, 40, 3, 4)


def test_silence_ends_in_an_error_that_says_how_long() -> None:
    client = Client(ScriptedBoard(lambda frame: iter(())), timeout_s=0.5, retries=3)
    with pytest.raises(LinkTimeout, match=r"no answer from the board for 7\.5 s, asked 4 times"):
        client.hello()
    assert client.statistics.timeouts == 4


@pytest.mark.parametrize(("busy_s", "waited_s"), [(0.0, 7.6), (3.0, 7.6), (10.0, 20.0)])
def test_a_board_that_computes_for_long_is_given_twice_that(busy_s: float, waited_s: float) -> None:
    with pytest.raises(LinkTimeout) as caught:
        Client(ScriptedBoard(lambda frame: iter(())), busy_s=busy_s).hello()
    said = re.search(r"for ([\d.]+) s", str(caught.value))
    assert said is not None and float(said[1]) == pytest.approx(waited_s, rel=0.02)


def test_nothing_but_noise_ends_in_an_error_that_suspects_the_baud_rate() -> None:
    class Noise(ScriptedBoard):
        def read(self, timeout_s: float) -> bytes:
            return b"\x55\x13\x37\x00"

    with pytest.raises(LinkTimeout, match="baud rate"):
        Client(Noise(friendly)).hello()


def test_another_protocol_version_is_named() -> None:
    def foreign(frame: Frame) -> Iterator[Frame]:
        yield Frame(Type.WELCOME, frame.sequence, struct.pack("<H", 9))

    with pytest.raises(ProtocolMismatch, match="protocol 9, this version of hil 2"):
        Client(ScriptedBoard(foreign)).hello()


def test_a_refusal_is_an_error_with_the_boards_reason() -> None:
    def unwilling(frame: Frame) -> Iterator[Frame]:
        if frame.type == Type.BEGIN:
            yield Frame(Type.REFUSED, frame.sequence, bytes([Type.BEGIN, 3]))
        else:
            yield from friendly(frame)

    with pytest.raises(Refused, match="no such layer to tap"):
        Client(ScriptedBoard(unwilling)).infer(np.zeros((30, 40, 3), np.uint8), tap=77)


def test_a_refusal_of_somebody_elses_frame_is_not_ours() -> None:
    def after_another(frame: Frame) -> Iterator[Frame]:
        if frame.type == Type.HELLO:
            yield Frame(Type.REFUSED, frame.sequence - 1 & 0xFFFF, bytes([Type.HELLO, 1]))
        yield from friendly(frame)

    assert Client(ScriptedBoard(after_another)).hello().board == "a board"


@pytest.mark.parametrize("image", [np.zeros((30, 40), np.uint8), np.zeros((30, 40, 3), np.float32)])
def test_a_wrong_image_is_refused_before_anything_is_sent(image: np.ndarray) -> None:
    board = ScriptedBoard(friendly)
    with pytest.raises(LinkError, match=r"a model takes uint8 \(30, 40, 3\)"):
        Client(board).infer(image)
    assert Type.BEGIN not in {frame.type for frame in board.received}


def test_unknown_provocations_are_listed() -> None:
    with pytest.raises(LinkError, match="null_call"):
        Client(ScriptedBoard(friendly)).provoke("sneeze")


class StuckBoard(ScriptedBoard):
    """Takes an image's beginning and then computes for ever: its ring fills up."""

    def __init__(self) -> None:
        super().__init__(self._play)
        self.ring = 0
        self.computes = False

    def _play(self, frame: Frame) -> Iterator[Frame]:
        if self.computes:
            return
        if frame.type == Type.TILE:
            self.computes = True
        elif frame.type == Type.BEGIN:
            yield status(frame.sequence, session=1, state=State.RECEIVING)
        else:
            yield from friendly(frame)

    def write(self, data: bytes) -> None:
        super().write(data)
        self.ring += len(data) if self.computes else 0


def test_credit_and_polls_never_overrun_the_ring() -> None:
    board = StuckBoard()
    with pytest.raises(LinkTimeout):
        Client(board).infer(np.zeros((30, 40, 3), np.uint8))
    assert 0.8 * 2048 < board.ring <= 2048
    polls = [frame for frame in board.received if frame.type == Type.POLL]
    assert len(polls) == 20 and wire_bytes(0) * len(polls) < 2048
