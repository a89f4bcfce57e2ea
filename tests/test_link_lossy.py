"""The whole link, client and firmware, over a line that damages, drops, doubles and reorders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lossy import LossyLine, Noise
from stub_firmware import expected_boxes, expected_tap, random_image

from hil import board
from hil.link import Client
from hil.targets.native import NativeTarget

BYTES = Noise(damaged_byte=0.01, dropped_byte=0.01)
FRAMES = Noise(lost_frame=0.1, doubled_frame=0.1, late_frame=0.1)


@pytest.fixture(scope="module")
def target(stub_native: Path) -> Iterator[NativeTarget]:
    with NativeTarget(board.load("stm32f407_disco")) as native:
        native.boot(stub_native)
        yield native


def client_on(line: LossyLine) -> Client:
    return Client(line, timeout_s=0.01, retries=30)  # the board answers at once: what has not come by then is lost


@pytest.mark.parametrize("noise", [BYTES, FRAMES], ids=["bytes", "frames"])
@pytest.mark.parametrize("direction", ["outward", "homeward", "both"])
def test_noise_costs_repetitions_and_nothing_else(target: NativeTarget, noise: Noise, direction: str) -> None:
    outward = noise if direction != "homeward" else Noise()
    homeward = noise if direction != "outward" else Noise()
    client = client_on(LossyLine(target, outward, homeward, seed=1))
    image = random_image(1)
    result = client.infer(image)
    assert result.detections == expected_boxes(image)
    assert client.statistics.retries > 0
    if noise is BYTES and direction == "outward":
        assert result.board_damaged > 0 and client.statistics.naks > 0
    if noise is BYTES and direction == "homeward":
        assert client.statistics.damaged > 0


def test_taps_survive_noise(target: NativeTarget) -> None:
    noise = Noise(damaged_byte=0.002, dropped_byte=0.002, lost_frame=0.02, doubled_frame=0.05, late_frame=0.02)
    client = client_on(LossyLine(target, noise, noise, seed=2))
    image = random_image(2)
    tap = client.infer(image, tap=1).tap
    assert tap is not None and np.array_equal(tap, expected_tap(image, 1))
    assert client.statistics.retries > 0


probability = st.floats(0, 0.01)
noises = st.builds(Noise, probability, probability, *[st.floats(0, 0.1)] * 3)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noises, noises, st.integers(0, 1000))
def test_no_mixture_of_noise_changes_a_result(target: NativeTarget, outward: Noise, homeward: Noise, seed: int) -> None:
    image = random_image(seed)
    client = client_on(LossyLine(target, outward, homeward, seed))
    assert client.infer(image).detections == expected_boxes(image)


def test_a_clean_line_repeats_nothing(target: NativeTarget) -> None:
    client = Client(target)
    image = random_image(3)
    assert client.infer(image).detections == expected_boxes(image)
    assert (client.statistics.retries, client.statistics.naks, client.statistics.damaged) == (0, 0, 0)
