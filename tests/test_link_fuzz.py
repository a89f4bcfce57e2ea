"""Whatever comes in on the line, the firmware stays whole: built with sanitisers, it is fed noise and nonsense."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import stub_firmware
from stub_firmware import expected_boxes, random_image

from hil import board
from hil.link import Client, frames, messages
from hil.link.frames import Frame
from hil.link.messages import Object, Type
from hil.targets.native import NativeTarget

CHUNKS = 200


SANITISERS = {
    "cc": "-fsanitize=address,undefined -fno-sanitize-recover",
    "clang": "-fsanitize=undefined -fsanitize-undefined-trap-on-error",  # needs no library of clang's
}


@pytest.fixture(scope="module", params=SANITISERS)
def sanitised(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    stub_firmware.need(request.param)
    flags = f"-DHIL_NATIVE_FLAGS={SANITISERS[request.param]}"
    compiler = f"-DCMAKE_C_COMPILER={request.param}"
    return stub_firmware.build("native", tmp_path_factory.mktemp("fuzz") / "native", flags, compiler)


@pytest.fixture
def target(sanitised: Path) -> Iterator[NativeTarget]:
    with NativeTarget(board.load("stm32f407_disco")) as native:
        native.boot(sanitised)
        yield native


def noise(dice: random.Random) -> bytes:
    return dice.randbytes(dice.randrange(1, 400))


def nonsense(dice: random.Random) -> bytes:
    """A frame that is whole, of any type but those that end the run, with any payload."""
    type = dice.choice([t for t in [*Type, 0, 0x7F, 0xFF] if t not in (Type.PROVOKE, Type.RESET)])
    length = dice.choice([0, 1, 4, 7, 8, 13, dice.randrange(600), dice.randrange(1100)])
    payload = bytearray(dice.randbytes(length))
    for position in range(len(payload)):
        if dice.random() < 0.6:
            payload[position] = dice.choice([0, 1, 2, 0xFF])  # small numbers and limits come further than random ones
    return frames.encode(Frame(type, dice.randrange(65536), bytes(payload)))


def test_an_object_of_no_bytes_has_no_address_to_add_to(target: NativeTarget) -> None:
    image = random_image(1)
    client = Client(target)
    client.infer(image)
    for number in Object:
        target.write(frames.encode(Frame(Type.READ, 7, messages.read(number, 0, 0, 100, 64))))
        assert target.read(1.0)
    assert client.infer(image).detections == expected_boxes(image)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("feed", [noise, nonsense])
def test_noise_and_nonsense_do_no_harm(target: NativeTarget, feed, seed: int) -> None:  # type: ignore[no-untyped-def]
    dice = random.Random(seed)
    for _ in range(CHUNKS):
        target.write(feed(dice))
        while target.read(0.0):  # its answers must not fill the pipe
            pass
    image = random_image(seed)
    assert Client(target).infer(image).detections == expected_boxes(image)


def test_a_broken_firmware_would_be_noticed(target: NativeTarget) -> None:
    from hil.link import DeviceFault

    with pytest.raises(DeviceFault):
        Client(target).provoke("read_outside")
