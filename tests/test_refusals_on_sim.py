"""What the firmware of the boards says to a host that asks for the impossible, or goes in the middle of an image."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from stub_firmware import expected_boxes, expected_tap, random_image

from hil.link import Client, DeviceFault, Refused
from hil.link.channel import Answer
from hil.link.exchange import request
from hil.link.messages import Object, State, Status, Type, begin, read, tile
from hil.targets.sim.peripherals.dwt import Dwt
from hil.targets.sim.target import SimTarget
from hil.timing.compiled import blockhook as hook

IMAGE = random_image(1)
PATIENCE_S = 10  # of a tapped layer: firmware_src/app/tap.c


class Gone(Exception):
    """The host breaks off."""


@pytest.fixture
def target(stub_on_sim: SimTarget) -> SimTarget:
    return stub_on_sim


@pytest.mark.parametrize(
    ("type", "payload", "reason"),
    [
        (Type.BEGIN, begin(1, -1, IMAGE.size + 1), "the image has another size"),
        (Type.BEGIN, begin(1, 999, IMAGE.size), "no such layer to tap"),
        (Type.READ, read(Object.RESULT, 0, 0, 8, 8), "no such data at the moment"),
        (Type.READ, read(Object.FAULT, 0, 0, 8, 8), "no such data at the moment"),
        (Type.READ, struct.pack("<BHIIH", 99, 0, 0, 8, 8), "knows no such object"),
        (Type.READ, struct.pack("<BHIIH", Object.INFO, 0, 0, 8, 5000), "wrong length"),
        (Type.HELLO, b"x", "wrong length"),
        (0x30, b"", "frame type is unknown"),
        (Type.PROVOKE, b"\x63", "cannot do it"),
    ],
)
def test_the_impossible_is_refused_with_its_reason(target: SimTarget, type: int, payload: bytes, reason: str) -> None:
    client = Client(target)
    client.hello()
    with pytest.raises(Refused, match=reason):
        request(client._channel, type, payload, lambda message: False)
    assert client.infer(IMAGE).detections == expected_boxes(IMAGE)


def test_a_tile_of_another_image_is_not_taken(target: SimTarget) -> None:
    client = Client(target)
    client.hello()
    client._channel.send(Type.TILE, tile(77, 0, b"pixels"))
    answer = client._channel.receive()
    assert isinstance(answer, Answer) and isinstance(answer.message, Status)
    assert answer.message.is_repeat and answer.message.taken == 0


def test_a_kept_fault_is_read_after_the_reset(target: SimTarget) -> None:
    client = Client(target)
    with pytest.raises(DeviceFault) as caught:
        client.provoke("null_call")
    client.hello()
    assert client._kept_fault().pc == caught.value.report.pc


def broken_off(target: SimTarget) -> Client:
    """A host that has gone while a piece of a tapped layer waits for it."""
    client = Client(target)

    def leave(done: int, total: int) -> None:
        if status(client).state == State.TAP_WAITS:
            raise Gone

    with pytest.raises(Gone):
        client.infer(IMAGE, tap=0, progress=leave)
    return client


def status(client: Client) -> Status:
    found = request(client._channel, Type.POLL, b"", lambda message: isinstance(message, Status))
    assert isinstance(found, Status)
    return found


def test_the_next_image_takes_the_place_of_one_that_nobody_wants(target: SimTarget) -> None:
    broken_off(target)
    client, other = Client(target), random_image(2)
    result = client.infer(other, tap=0)
    assert result.detections == expected_boxes(other)
    assert result.tap is not None and np.array_equal(result.tap, expected_tap(other, 0))


def test_a_host_that_has_gone_is_not_waited_for_for_ever(target: SimTarget) -> None:
    client = broken_off(target)
    for _ in range(2 * PATIENCE_S):
        target.read(1.0)
    assert status(client).state == State.IDLE


@pytest.mark.parametrize(("step", "counter"), [(0, "stands still"), (-1, "ran back")])
def test_a_counter_that_is_none_is_told(target: SimTarget, monkeypatch, step: int, counter: str) -> None:
    target.sim.core.words[hook.COUNTS] = False  # have Python asked for each reading
    monkeypatch.setattr(Dwt, "_mirror", lambda self: None)
    monkeypatch.setattr(Dwt, "_count", lambda self, now: step * now & 0xFFFF_FFFF)
    assert Client(target).infer(IMAGE).counter.name.replace("_", " ").lower() == counter
