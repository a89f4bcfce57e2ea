"""`hil evaluate` of a classifier: accuracy on labelled photos, its interval, and bit-exactness between the ways."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from cli import hil
from networks import images, randomise
from PIL import Image
from test_cluster import in_this_process
from test_compiler_c import needs_gcc

from hil.checkpoints.calibration import calibration
from hil.errors import HilError
from hil.evaluation.classes import Accuracy, differences, evaluate_classes, wilson_interval
from hil.evaluation.run import Task
from hil.reference import weights
from hil.reference.catalogue import build

FRONT = "vww_mobilenet_rnnpool"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A seeded classifier with ranges."""
    torch.manual_seed(2)
    network = randomise(build(FRONT))
    path = tmp_path_factory.mktemp("model") / "front.safetensors"
    weights.save(network, path, calibration(network, images(network, 2, seed=1), lambda *_: None))
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six photos of 256x256, every other with a person by its label."""
    folder = tmp_path_factory.mktemp("people")
    (folder / "all2014").mkdir()
    (folder / "annotations").mkdir()
    rng = np.random.default_rng(0)
    for i in range(6):
        pixels = rng.integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).resize((256, 256)).save(folder / "all2014" / f"{i}.jpg")
    labels = {
        "images": [{"id": i, "file_name": f"{i}.jpg"} for i in range(6)],
        "annotations": [{"image_id": i, "category_id": i % 2} for i in range(6)],
    }
    (folder / "annotations" / "instances_val.json").write_text(json.dumps(labels))
    return folder


@needs_gcc
def test_the_ways_agree_and_the_table_says_so(
    model: Path, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = hil(capsys, monkeypatch, "evaluate", model, "--data", data, "-t", "float,integer,native", "--limit", "3")
    assert outcome.code == 0
    assert "3 labelled photos" in outcome.out and "95 % interval" in outcome.out
    exact = next(line for line in outcome.out.splitlines() if "integer and native" in line)
    assert [cell.strip() for cell in exact.strip("│").split("│")][1:] == ["0", "0"]


def test_every_photo_counts_for_its_label(model: Path, data: Path) -> None:
    (found,) = evaluate_classes(Task(str(model), data, ("float",)))
    assert found.labels.tolist() == [0, 1] * 3 and found.logits.shape == (6, 2)
    assert found.right == sum(int(row.argmax()) == i % 2 for i, row in enumerate(found.logits))
    assert found.share == found.right / 6 and found.interval[0] <= found.share <= found.interval[1]


def test_a_classifiers_photos_are_spread_as_well(model: Path, data: Path) -> None:
    ways = ("float", "integer")
    here = evaluate_classes(Task(str(model), data, ways))
    with in_this_process(2) as address:
        there = evaluate_classes(Task(str(model), data, ways, cluster=address))
    assert [one.way for one in there] == list(ways)
    for one, other in zip(here, there, strict=True):
        assert one.labels.tolist() == other.labels.tolist() and one.right == other.right
    assert here[1].logits.tobytes() == there[1].logits.tobytes()
    assert np.abs(here[0].logits - there[0].logits).max() < 1e-4, "a thread a worker adds up in another order"


def test_the_interval_is_wilsons() -> None:
    assert wilson_interval(9, 10) == pytest.approx((0.596, 0.982), abs=1e-3)  # worked out by hand
    assert wilson_interval(0, 5)[0] == 0 and wilson_interval(5, 5)[1] == 1 and wilson_interval(5, 5)[0] < 0.6


def test_differences_tell_classes_from_logits() -> None:
    one, other = np.array([[1, 2], [3, 4], [5, 0]]), np.array([[1, 2], [3, 5], [0, 5]])
    found = [Accuracy(way, logits, np.zeros(3, int), 1.0) for way, logits in (("integer", one), ("sim", other))]
    assert differences(found) == [("integer", "sim", 1, 2)]


@pytest.mark.parametrize(("ways", "code"), [("integer,native", 1), ("float,native", 0)])
def test_a_logit_between_integer_and_a_target_fails(
    model: Path, ways: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logits = (np.array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 5]]))
    found = [Accuracy(way, of_way, np.ones(2, int), 1.0) for way, of_way in zip(ways.split(","), logits, strict=True)]
    monkeypatch.setattr("hil.evaluation.classes.evaluate_classes", lambda task, step: found)
    said = hil(capsys, monkeypatch, "evaluate", model, "--data", "people", "-t", ways)
    assert said.code == code
    assert ("integer and native differ on 1 of 2 photos: they must agree bit by bit" in said.err) == bool(code)


def test_what_a_classifier_cannot_do_is_refused(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for task, message in (
        (Task(str(model), data, ("qemu",)), "nothing evaluates as 'qemu'"),
        (Task("rnnpool_face_m4", data, ("float",)), "which finds boxes"),
        (Task(str(model), data, ("float",), is_multi_scale=True), "for face detectors"),
        (Task(str(model), data, ("float",), jobs=2), "for face detectors"),
        (Task(str(model), data, ("float",), board="uno"), "uno"),
        (Task(str(model), tmp_path, ("float",)), "has no photos of no person, person: give --data"),
    ):
        with pytest.raises(HilError, match=message):
            evaluate_classes(task)
    outcome = hil(capsys, monkeypatch, "evaluate", model, "--data", data, "--report", tmp_path / "r.html")
    assert outcome.code == 2 and "--report shows boxes" in outcome.err and "Traceback" not in outcome.err
