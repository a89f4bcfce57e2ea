"""The device computes what the integer reference computes, to the last bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hil.bench.run import Run
from hil.bench.session import Bench
from hil.compiler import integer
from hil.firmware.build import Firmware
from hil.reference.photo import Photo
from hil.suite.photos import NAMES

Load = Callable[[str], Photo]


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_and_box_is_the_references(bench: Bench, load: Load, name: str) -> None:
    run = bench.run(load(name))
    assert run.bit_exact, run.divergence
    assert run.detections.tobytes() == run.reference_detections.tobytes()


def test_taps_return_every_layer_of_the_reference(bench: Bench, load: Load, firmware: Firmware) -> None:
    pixels = load("coffee").pixels
    trace = integer.run(firmware.graph, pixels)
    different = [n for n in firmware.layer_names if not np.array_equal(bench.tap(pixels, n), trace[n])]
    assert different == []


def test_an_image_leaves_nothing_behind_for_the_next(bench: Bench, load: Load) -> None:
    first = bench.run(load("astronaut"))
    bench.run(load("noise"))
    again = bench.run(load("astronaut"))
    assert again.detections.tobytes() == first.detections.tobytes()
    assert again.bit_exact


def test_the_portrait_passes_with_its_face_found(portrait_run: Run) -> None:
    assert portrait_run.passed, [m for m in portrait_run.measurements if m.ok is False]
    assert portrait_run.detections[:, 4].max() > 0.8


def test_the_float_model_sees_the_same_face(portrait_run: Run) -> None:
    values = {m.name: m.value or 0 for m in portrait_run.measurements}
    assert values["boxes.unmatched_with_float"] == 0
    assert values["boxes.distance_to_float"] < 0.25
