"""Visual Wake Words: the crop, RNNPool over a whole map, stages in the plan, and logits all the way to run.json."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import images, quantised, randomise
from PIL import Image
from test_compiler_c import Program, needs_gcc

from hil import board as boards
from hil import targets
from hil.bench.session import Bench
from hil.checkpoints import importing
from hil.checkpoints.calibration import find_photos
from hil.compiler import make_plan, run
from hil.compiler.kernels.weights import hot_bytes
from hil.compiler.planning.draft import Scheme, draft
from hil.compiler.planning.plan import place
from hil.firmware.build import NATIVE, build
from hil.reference.catalogue import SPECS
from hil.reference.classifiers import Classifier, ClassifierSpec
from hil.reference.image import open_photo
from hil.reference.photo import fit_image, from_array
from hil.reference.rows import Pool

VWW = [spec for name, spec in SPECS.items() if name.startswith("vww") and isinstance(spec, ClassifierSpec)]


def small(spec: ClassifierSpec) -> Classifier:
    """A network of the family for 96x96 pixels, whose last map is 3x3."""
    rows = tuple(replace(row, patch=3, stride=3) if isinstance(row, Pool) and not row.pad else row for row in spec.rows)
    torch.manual_seed(1)
    return randomise(Classifier(replace(spec, rows=rows, input_shape=(3, 96, 96))))


@pytest.mark.parametrize(("width", "height"), [(640, 427), (480, 640), (256, 256), (100, 301), (224, 224)])
def test_the_crop_is_the_centre_of_the_scaled_photo(width: int, height: int) -> None:
    spec = VWW[0]
    gradient = np.add.outer(np.arange(height) % 256, np.arange(width)).astype(np.uint8)
    photo = Image.fromarray(np.stack([gradient, gradient.T.copy().reshape(height, width), 255 - gradient], 2))
    shorter = min(width, height)
    size = (int(256 * width / shorter), int(256 * height / shorter))
    scaled = np.asarray(photo.resize(size, Image.Resampling.BILINEAR))
    top, left = round((size[1] - 224) / 2), round((size[0] - 224) / 2)
    np.testing.assert_array_equal(fit_image(photo, spec), scaled[top : top + 224, left : left + 224])


def test_grey_photos_become_three_equal_planes() -> None:
    pixels = fit_image(Image.new("L", (300, 500), 77), VWW[0])
    assert pixels.shape == (224, 224, 3) and (pixels == 77).all()


@needs_gcc
@pytest.mark.parametrize("spec", VWW, ids=lambda spec: spec.name)
def test_every_layer_is_bit_equal_in_c(spec: ClassifierSpec, tmp_path: Path) -> None:
    network = small(spec)
    graph = quantised(network)
    program = Program(graph, tmp_path)
    for image in [*images(network, 2, seed=5), np.full((96, 96, 3), 255, np.uint8)]:
        trace, (made, boxes) = run(graph, image), program.run(image)
        for layer in graph.layers:
            np.testing.assert_array_equal(made[layer.name], trace[layer.name], err_msg=layer.name)
        assert len(boxes) == 0


def test_stages_save_memory_and_logits_outlive_the_image() -> None:
    graph = quantised(small(VWW[0]))
    board = boards.load("stm32f407_disco")
    plan, streamed = make_plan(graph, board), place(draft(graph, Scheme()), board)
    assert plan.arena_bytes < 0.7 * streamed.arena_bytes
    logits = plan.buffer("logits_rows")
    assert logits is not None
    assert logits.last == max(buffer.last for buffer in plan.buffers)
    later = [b for b in plan.buffers if b.place == logits.place and b.last > logits.first and b is not logits]
    assert all(b.offset >= logits.offset + logits.bytes or b.offset + b.bytes <= logits.offset for b in later)


def test_a_pool_of_one_window_leaves_its_weights_in_flash() -> None:
    front, both = (hot_bytes(quantised(small(spec))) for spec in VWW[:2])
    assert both == front > 0


@needs_gcc
def test_the_third_party_network_runs_bit_exactly(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "SAMPLES", ("astronaut", "coffee"))
    checkpoint = tmp_path / "vww.safetensors"
    source = shared_data / "vww" / "edgeml_vww_fg_front.pth"
    importing.import_edgeml(source, "vww_mobilenet_rnnpool", checkpoint, None, 0, lambda what, done: None)
    firmware = build(str(checkpoint), "stm32f407_disco", tmp_path / "build", preset=NATIVE)
    from skimage import data

    photo = from_array(fit_image(Image.fromarray(data.astronaut()), firmware.network.spec))
    with Bench(firmware, targets.create(NATIVE, firmware.board)) as bench:
        found = bench.run(photo)
    assert found.passed and found.classification is not None and found.classification.differing == 0
    assert found.classification.predicted == "person" == found.classification.float_predicted
    stored = json.loads(json.dumps(found.to_json()))["classification"]
    assert stored["classes"] == ["no person", "person"] and stored["logits"] == stored["reference_logits"]


@needs_gcc
def test_the_third_party_networks_classes_are_the_float_models(shared_data: Path, tmp_path: Path) -> None:
    """On 200 photos, with ranges of the sample photos alone; the firmware's C stands for the integer reference."""
    checkpoint, data = tmp_path / "vww.safetensors", shared_data / "faces"
    source = shared_data / "vww" / "edgeml_vww_fg_front.pth"
    importing.import_edgeml(source, "vww_mobilenet_rnnpool", checkpoint, None, 0, lambda what, done: None)
    firmware = build(str(checkpoint), "stm32f407_disco", tmp_path / "build", preset=NATIVE)
    photos = find_photos(data / "WIDER_val", 200)
    agreed = 0
    with Bench(firmware, targets.create(NATIVE, firmware.board)) as bench:
        for path in photos:
            pixels = fit_image(open_photo(path), firmware.network.spec)
            logits = bench.client.infer(pixels).logits
            with torch.no_grad():
                x = firmware.network.normalise(torch.from_numpy(pixels).permute(2, 0, 1)[None])
                agreed += int(np.argmax(logits)) == int(firmware.network(x).argmax())
    assert len(photos) == 200 and agreed >= 199
