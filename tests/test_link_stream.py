"""Images in a row: the next one's transfer overlaps with the inference, and nothing that happens changes a result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import stub_firmware
from lossy import LossyLine, Noise
from stub_firmware import expected_boxes, random_image

from hil import board
from hil.link import Client, ProtocolError, Result, UnexpectedReset
from hil.link import messages as link_messages
from hil.link.errors import LinkError
from hil.link.stream import Disturbed, Stream
from hil.targets.native import NativeTarget
from hil.targets.sim.target import SimTarget

F407 = board.load("stm32f407_disco")
IMAGES = [random_image(seed) for seed in range(6)]


@pytest.fixture(scope="module")
def target(stub_native: Path) -> Iterator[NativeTarget]:
    with NativeTarget(F407) as native:
        native.boot(stub_native)
        yield native


def check(results: list) -> None:
    assert [result.detections for result in results] == [expected_boxes(image) for image in IMAGES]


def test_a_row_of_images_is_what_one_by_one_is(target: NativeTarget) -> None:
    client = Client(target)
    check(list(client.infer_many(iter(IMAGES))))
    assert client.statistics.retries == 0
    single = [client.infer(image) for image in IMAGES]
    check(single)
    assert list(client.infer_many([])) == []


def test_images_are_taken_as_they_are_needed(target: NativeTarget) -> None:
    taken: list[int] = []
    many = IMAGES * 20

    def images() -> Iterator[np.ndarray]:
        for i, image in enumerate(many):
            taken.append(i)
            yield image

    results = Client(target).infer_many(images())
    next(results)
    assert 1 <= len(taken) < len(many), "the next ones are on their way, not all of them"
    results.close()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "noise",
    [
        Noise(damaged_byte=0.0005),
        Noise(dropped_byte=0.0005),
        Noise(lost_frame=0.03, doubled_frame=0.03, late_frame=0.03),
    ],
    ids=["damaged", "dropped", "frames"],
)
def test_noise_costs_repetitions_and_nothing_else(target: NativeTarget, noise: Noise, seed: int) -> None:
    client = Client(LossyLine(target, noise, noise, seed), timeout_s=0.01, retries=30)
    check(list(client.infer_many(IMAGES)))


def test_a_late_begin_breaks_into_an_image_and_costs_a_repetition(
    target: NativeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, infer, broken = Client(target), Client.infer, []

    def disturbed(stream: Stream, images: Iterator[bytes]) -> Iterator[dict]:
        next(images)
        raise Disturbed("a frame was lost")
        yield {}

    def break_in(self: Client, image: np.ndarray) -> Result:
        if not broken:
            broken.append(image)
            raise UnexpectedReset("another session is on")
        return infer(self, image)

    monkeypatch.setattr(Stream, "run", disturbed)
    monkeypatch.setattr(Client, "infer", break_in)
    check(list(client.infer_many(IMAGES)))
    assert len(broken) == 1 and client.statistics.retries == len(IMAGES) + 1


def test_an_image_that_a_reset_breaks_is_an_error(target: NativeTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(target)
    client.hello()

    def reset(self: Client, image: np.ndarray) -> Result:
        raise UnexpectedReset("the board was reset")

    monkeypatch.setattr(Client, "infer", reset)
    with pytest.raises(UnexpectedReset):
        client._by_itself(IMAGES[0], boots=-1)


def test_noise_is_counted(target: NativeTarget) -> None:
    client = Client(LossyLine(target, Noise(damaged_byte=0.002), Noise(), 1), timeout_s=0.01, retries=30)
    check(list(client.infer_many(IMAGES)))
    assert client.statistics.retries > 0


def test_an_image_of_another_size_is_refused(target: NativeTarget) -> None:
    with pytest.raises(LinkError, match="takes uint8"):
        list(Client(target).infer_many([IMAGES[0], IMAGES[1][:10]]))
    check([Client(target).infer(image) for image in IMAGES])  # and the board is as it was


def test_a_board_that_answers_with_another_build_on_every_second_image(
    target: NativeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(target)
    client.hello()
    parse, infos = link_messages.parse, []

    def other_build(type: int, payload: bytes):
        message = parse(type, payload)
        if isinstance(message, link_messages.Data) and message.what == link_messages.Object.INFO:
            infos.append(message)
            if len(infos) > 1 and len(infos) % 2 == 0:  # the first is read before the row begins
                return replace(message, data=message.data.replace(b"00000000beef0001", b"00000000beef0002"))
        return message

    monkeypatch.setattr(link_messages, "parse", other_build)
    with pytest.raises(ProtocolError, match="another firmware answers than at the start: is the port switched over?"):
        list(client.infer_many(IMAGES))


def test_a_board_that_was_reset_in_the_middle(stub_native: Path) -> None:
    with NativeTarget(F407) as target:
        target.boot(stub_native)
        client = Client(target)
        images = client.infer_many(IMAGES * 20)
        next(images)
        target.reset()
        with pytest.raises(LinkError) as caught:
            list(images)
        assert isinstance(caught.value, UnexpectedReset)


def test_the_line_is_busy_for_nine_tenths_of_the_time(tmp_path_factory: pytest.TempPathFactory) -> None:
    """In the board's own time, at 921,600 baud, of ten bits a byte; one by one it was less."""
    elf = stub_firmware.build(F407.name, tmp_path_factory.mktemp("stub") / F407.name)

    def busy(images_in_a_row: bool) -> float:
        with SimTarget(F407) as sim:
            sim.boot(elf)
            client = Client(sim)
            client.infer(IMAGES[0])
            begun, sent = sim.observed().seconds, client.statistics.bytes_out
            many = IMAGES * 3
            results = list(client.infer_many(many)) if images_in_a_row else [client.infer(image) for image in many]
            check(results[: len(IMAGES)])
            line = (client.statistics.bytes_out - sent) * 10 / F407.uart.baud
            return line / (sim.observed().seconds - begun)

    in_a_row = busy(True)
    assert in_a_row > 0.9 and in_a_row > busy(False)
