"""Detectors of several classes: each box has one, on the device, in the references, in what is said of a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from cli import hil
from networks import images, quantised
from PIL import Image
from stub_firmware import need
from test_compiler_c import Program, needs_gcc
from torch import nn

from hil.bench.compare import iou
from hil.compiler import detect, run
from hil.errors import HilError
from hil.reference import catalogue, found
from hil.reference.boxes import detections
from hil.reference.detect import float_boxes
from hil.reference.networks import Source
from hil.reference.own import detector

KINDS = """
import torch
from torch import nn
from hil.reference.networks import Source
from hil.reference.own import detector

class Boxes(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.conv2 = nn.Conv2d(1, 8, 3, 4, 1), nn.Conv2d(8, 8, 3, 2, 1)
        self.loc, self.conf = nn.Conv2d(8, 4, 3, 1, 1), nn.Conv2d(8, 4, 3, 1, 1)
        self.loc2, self.conf2 = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 3, 1)

    def forward(self, x):
        y = torch.relu(self.conv(x))
        z = torch.relu(self.conv2(y))
        return [(self.loc(y), self.conf(y)), (self.loc2(z), self.conf2(z))]

def make():
    priors = [Source(4, 12, background=2), Source(8, 20)]
    return detector(Boxes(), "kinds", (1, 30, 40), priors, score_threshold=0.4, nms_iou=0.5, classes=("cat", "dog"),
                    weighted_nms=True)
"""


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """The network of KINDS, with weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(found.VARIABLE, "")  # put back afterwards: `hil seed --network` sets it
    Path("kinds.py").write_text(KINDS)
    torch.manual_seed(5)
    return catalogue.build("kinds.py:make")


@needs_gcc
def test_a_detector_of_two_classes_finds_the_references_boxes(made, tmp_path: Path) -> None:
    graph = quantised(made)
    program = Program(graph, tmp_path)
    for image in images(made, 3, seed=3):
        _, boxes = program.run(image)
        assert boxes.shape[1] == 6 and set(boxes[:, 5]) == {0.0, 1.0}
        np.testing.assert_array_equal(boxes, detect(graph, run(graph, image)))
        floating = float_boxes(made, image)
        assert floating.shape[1] == 6 and abs(len(floating) - len(boxes)) <= 0.3 * len(boxes)


def test_boxes_of_two_classes_leave_each_other_alone(made) -> None:
    spec = made.spec
    places = sum(height * width for height, width in spec.map_sizes)
    offsets, scores = np.zeros((places, 4)), np.full((places, 3), -9.0)
    scores[:, 0], scores[7] = 0.0, (0.0, 3.0, 2.0)  # both at one place
    scores[8, 1], offsets[8, 0] = 1.0, -2.0  # and its neighbour, of the first kind, 2.4 pixels nearer than it would be
    found = detections(offsets, scores, spec)
    assert found[:, 5].tolist() == [0, 1]
    assert found[0, 4] > 1 / (1 + np.exp(-3)) and found[1, 4] == pytest.approx(1 / (1 + np.exp(-2)))
    assert iou(found, found).tolist() == [[1, 0], [0, 1]]


def test_a_device_of_two_classes_passes_and_names_them(made, monkeypatch, capsys) -> None:
    need("cmake", "cc")
    sent = np.random.default_rng(1).integers(0, 256, (30, 40), np.uint8)
    Image.fromarray(sent).save("photo.png")
    assert hil(capsys, monkeypatch, "seed", "--network", "kinds.py:make", "-o", "kinds.safetensors").code == 0
    for target in ("native", "sim"):
        outcome = hil(capsys, monkeypatch, "run", "kinds.safetensors", "photo.png", "-t", target, "--json", "run.json",
                      "--report", "report.html")  # fmt: skip
        found = json.loads(Path("run.json").read_text())
        assert found["bit_exact"], outcome.out
        assert {box["class"] for box in found["detections"]} == {"cat", "dog"}
        assert "class" in outcome.out and ("cat" in outcome.out or "dog" in outcome.out)


def test_average_precision_of_two_classes_is_refused(made, monkeypatch, capsys) -> None:
    assert hil(capsys, monkeypatch, "seed", "--network", "kinds.py:make", "-o", "kinds.safetensors").code == 0
    said = hil(capsys, monkeypatch, "evaluate", "kinds.safetensors", "--data", "WIDER", "-t", "float,integer")
    assert said.code == 2 and "kinds.safetensors finds cat, dog: average precision is for one class" in said.err


@pytest.mark.parametrize("classes", ["cat", (), ("cat", "cat"), (1, 2)])
def test_names_of_classes_are_looked_at(made, classes: object) -> None:
    with pytest.raises(HilError, match="classes are different names"):
        detector(made, "kinds", (1, 30, 40), [Source(4, 12)], classes=classes)


def test_more_priors_than_the_device_numbers_are_refused() -> None:
    class Large(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.loc, self.conf = nn.Conv2d(1, 4, 3, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 3, 1)

        def forward(self, x: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
            y = torch.relu(self.conv(x))
            return [(self.loc(y), self.conf(y))]

    own = detector(Large(), "large", (1, 480, 640), [Source(4, 12)], classes=("cat", "dog"))
    with pytest.raises(HilError, match="has 38,400 priors, 2 for each place; the device numbers 32,768"):
        quantised(own)
