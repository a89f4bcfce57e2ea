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
from hil.suite.photos import EXTREMES, NAMES

Load = Callable[[str], Photo]


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_and_box_is_the_references(hil_bench: Bench, load: Load, name: str) -> None:
    run = hil_bench.run(load(name))
    assert run.bit_exact, run.divergence
    assert run.passed or name in EXTREMES, list(map(str, run.faults))  # 8 bits may cost more where no photo ever is
    assert run.detections.tobytes() == run.reference_detections.tobytes()


def test_taps_return_every_tensor_of_the_reference(hil_bench: Bench, load: Load, hil_firmware: Firmware) -> None:
    pixels = load("coffee").pixels
    trace = integer.run(hil_firmware.graph, pixels)
    assert trace.keys() == set(hil_firmware.tensor_names)
    different = [n for n in hil_firmware.tensor_names if not np.array_equal(hil_bench.tap(pixels, n), trace[n])]
    assert different == []


def test_an_image_leaves_nothing_behind_for_the_next(hil_bench: Bench, load: Load) -> None:
    first = hil_bench.run(load("astronaut"))
    hil_bench.run(load("noise"))
    again = hil_bench.run(load("astronaut"))
    assert again.detections.tobytes() == first.detections.tobytes()
    assert again.bit_exact


def test_the_portrait_passes(portrait_run: Run) -> None:
    assert portrait_run.passed, [m for m in portrait_run.measurements if m.ok is False]


def test_the_portraits_face_is_found(hil_firmware: Firmware, portrait_run: Run) -> None:
    _need_faces(hil_firmware)
    assert portrait_run.detections[:, 4].max() > 0.8


def test_the_float_model_sees_the_same_face(hil_firmware: Firmware, portrait_run: Run) -> None:
    _need_faces(hil_firmware)
    values = {m.name: m.value or 0 for m in portrait_run.measurements}
    assert values["boxes.unmatched_with_float"] == 0
    assert values["boxes.distance_to_float"] < 0.25


def _need_faces(firmware: Firmware) -> None:
    if getattr(firmware.network.spec, "classes", ()) != ("face",):
        pytest.skip(f"{firmware.model} finds no faces: use --hil-model rnnpool_face_m4")
