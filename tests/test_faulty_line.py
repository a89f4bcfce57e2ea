"""Harm on command: exactly the frames that were asked for, and the firmware gets everything in the end."""

from __future__ import annotations

from pathlib import Path

import pytest
from stub_firmware import expected_boxes, random_image

from hil import board
from hil.errors import HilError
from hil.link import Client, frames
from hil.link.frames import Frame
from hil.link.messages import Type
from hil.targets.base import TargetError
from hil.targets.faulty_line import FaultyLine, Harm
from hil.targets.native import NativeTarget
from hil.targets.noise import Noise, NoisyLine

F407 = board.load("stm32f407_disco")


class Wire(NativeTarget):
    """A target that keeps what it is written and says what it is told to."""

    def __init__(self) -> None:
        super().__init__(F407)
        self.written: list[bytes] = []
        self.says = [b""]

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def read(self, timeout_s: float) -> bytes:
        return self.says.pop(0)


def tile(sequence: int) -> bytes:
    return frames.encode(Frame(Type.TILE, sequence, b"some pixels of an image"))


@pytest.mark.parametrize(
    ("harm", "arrives"),
    [
        (Harm.DROPPED, [2, 3]),
        (Harm.DOUBLED, [1, 1, 2, 3]),
        (Harm.DELAYED, [2, 1, 3]),
        (Harm.CORRUPTED, [None, 2, 3]),
        (Harm.CUT, [None, 2, 3]),
        (Harm.AFTER_GARBAGE, [None, 1, 2, 3]),
    ],
)
def test_harm_is_done_to_the_next_frame_alone(harm: Harm, arrives: list[int | None]) -> None:
    wire = Wire()
    line = FaultyLine(wire)
    line.harm_next(harm)
    assert (line.harmed, line.waiting) == (0, 1)
    for sequence in (1, 2, 3):
        line.write(tile(sequence))
    got = [item.sequence if isinstance(item, Frame) else None for item in frames.Decoder().feed(b"".join(wire.written))]
    assert got == arrives
    assert (line.harmed, line.waiting) == (1, 0)


def test_harm_waits_for_its_type_of_frame() -> None:
    wire = Wire()
    line = FaultyLine(wire)
    line.harm_next(Harm.DROPPED, Type.TILE)
    poll = frames.encode(Frame(Type.POLL, 1))
    for data in (poll, tile(2), tile(3)):
        line.write(data)
    assert wire.written == [poll, tile(3)]


def test_an_answer_is_corrupted_and_only_one() -> None:
    wire = Wire()
    wire.says = [b"\0", tile(1), tile(2)]
    line = FaultyLine(wire)
    line.corrupt_next_answer()
    assert line.read(1) == b"\0"  # a delimiter is nothing to corrupt
    damaged, whole = line.read(1), line.read(1)
    assert whole == tile(2) and sum(a != b for a, b in zip(damaged, tile(1), strict=True)) == 1


@pytest.mark.parametrize("count", [0, -3, 10**12])
def test_harm_to_no_frame_or_to_all_is_refused(stub_native: Path, count: int) -> None:
    with FaultyLine(NativeTarget(F407)) as line:
        for do in (lambda: line.harm_next(Harm.CUT, count=count), lambda: line.corrupt_next_answer(count)):
            with pytest.raises(TargetError, match=f"{count} cannot be harmed: give a count from 1 to 100000"):
                do()
        assert line.waiting == 0


@pytest.mark.parametrize("share", [float("nan"), -1.0, 2.0])
def test_noise_is_a_share(share: float) -> None:
    with pytest.raises(HilError, match=f"dropped is {share}: expected a number from 0 to 1"):
        Noise(dropped=share)


@pytest.mark.parametrize("harm", list(Harm), ids=lambda harm: harm.value)
def test_no_harm_changes_a_result(stub_native: Path, harm: Harm) -> None:
    with FaultyLine(NativeTarget(F407)) as line:
        line.boot(stub_native)
        client = Client(line)
        client.hello()
        line.harm_next(harm, Type.TILE, count=3)
        line.corrupt_next_answer()
        image = random_image(1)
        assert client.infer(image).detections == expected_boxes(image)
        assert line.harmed == 4 and line.waiting == 0


def test_a_quiet_line_is_quiet_again(stub_native: Path) -> None:
    with FaultyLine(NativeTarget(F407)) as line:
        line.boot(stub_native)
        line.make_noisy(Noise(damaged=0.01), seed=1)
        line.harm_next(Harm.DROPPED, Type.RELEASE)
        client = Client(line)
        client.infer(random_image(1))
        assert client.statistics.retries > 0
        line.quieten()
        quiet = Client(line)
        quiet.infer(random_image(2))
        assert (line.waiting, quiet.statistics.retries, quiet.statistics.damaged) == (0, 0, 0)


def test_noise_is_as_much_as_was_asked_for_and_the_same_each_time() -> None:
    data = bytes(range(256)) * 400
    lines = [NoisyLine(Noise(damaged=0.02, dropped=0.03), seed=5) for _ in range(2)]
    first, second = (line.pass_on(data) for line in lines)
    assert first == second != data
    assert len(data) - len(first) == lines[0].dropped
    assert 0.015 < lines[0].damaged / len(data) < 0.025 and 0.025 < lines[0].dropped / len(data) < 0.035
    assert NoisyLine(Noise(), seed=5).pass_on(data) == data
    assert NoisyLine(Noise(dropped=1.0), seed=5).pass_on(data) == b""
    assert len(NoisyLine(Noise(), seed=5).garbage(40)) == 40
