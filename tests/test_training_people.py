"""Training of the Visual Wake Words classifiers: labels, views, a run that goes on, and rounding."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from hil.checkpoints.calibration import calibration
from hil.errors import HilError
from hil.reference import weights
from hil.reference.catalogue import SPECS
from hil.reference.classifiers import Classifier
from hil.reference.photo import fit_image
from hil.training.device import Device
from hil.training.loop import begin, step, train
from hil.training.people import LabelledBatches, accuracy, random_view, read_labels
from hil.training.recipe import Recipe, load_recipe

FRONT = "vww_mobilenet_rnnpool"
VWW = [name for name in SPECS if name.startswith("vww")]
SMALL = Recipe(images=8, batch=4, holdout_every=4)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight photos, of which every other one has a bright disc for a person."""
    folder = tmp_path_factory.mktemp("vww")
    (folder / "all2014").mkdir()
    (folder / "annotations").mkdir()
    images, annotations = [], []
    for i in range(8):
        photo = Image.new("RGB", (100 + 20 * i, 120), (30, 30 + 10 * i, 60))
        if i % 2:
            ImageDraw.Draw(photo).ellipse((10, 10, 90, 110), fill=(250, 240, 200))
        photo.save(folder / "all2014" / f"{i}.jpg", quality=95)
        images.append({"id": 100 - i, "file_name": f"{i}.jpg"})
        annotations.append({"id": i, "image_id": 100 - i, "category_id": i % 2})
    content = json.dumps({"images": images, "annotations": annotations})
    (folder / "annotations" / "instances_train.json").write_text(content)
    return folder


def test_labels_belong_to_their_photos(data: Path) -> None:
    labels = {path.name: label for path, label in read_labels(data, "train")}
    assert labels == {f"{i}.jpg": i % 2 for i in range(8)}


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "no Visual Wake Words labels"), ("{", "is not JSON"), ("[]", "is not Visual"),
     ('{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}', "is not Visual"),
     ('{"images": [], "annotations": []}', "names no photo"),
     ('{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1, "category_id": 0}]}',
      "1 photos are missing, .*a.jpg for one")],
)  # fmt: skip
def test_labels_that_are_none_are_explained(text: str | None, message: str, tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    if text is not None:
        (tmp_path / "annotations" / "instances_train.json").write_text(text)
    with pytest.raises(HilError, match=message) as caught:
        read_labels(tmp_path, "train")
    assert "\n" not in str(caught.value)


def test_a_view_is_a_part_of_the_photo_at_the_networks_size() -> None:
    gradient = np.tile(np.arange(200, dtype=np.uint8), (100, 1))
    photo = Image.fromarray(np.stack([gradient] * 3, 2))
    whole = replace(SMALL, crop_area=(1.0, 1.0))
    for seed in range(8):
        part = random_view(photo, (3, 64, 64), SMALL, np.random.default_rng(seed))
        assert part.shape == (64, 64, 3)
        assert 20 < int(part.max()) - int(part.min()) < 200
        everything = random_view(photo, (3, 64, 64), whole, np.random.default_rng(seed))
        assert int(everything.max()) - int(everything.min()) > 100
    views = [random_view(photo, (3, 9, 9), SMALL, np.random.default_rng(seed)) for seed in range(16)]
    ways = {bool(view[0, 0, 0] > view[0, -1, 0]) for view in views}
    assert ways == {True, False}, "some are mirrored"


def test_a_batch_is_the_same_whenever_it_is_asked_for(data: Path) -> None:
    network = begin(FRONT, SMALL, 0).network
    assert isinstance(network, Classifier)
    batches = LabelledBatches(read_labels(data, "train"), network, SMALL, 3)
    (inputs, classes), (again, _), (_, others) = batches[0], batches[0], batches[1]
    assert torch.equal(inputs, again) and inputs.shape == (4, 3, 224, 224) and inputs.dtype == torch.float32
    assert int(classes.sum() + others.sum()) == 4, "two batches of four are an epoch"


def test_the_loss_falls_and_mixed_precision_changes_it_little(data: Path) -> None:
    photos, recipe = read_labels(data, "train"), replace(SMALL, warm_up=0.01, images=200)
    plain, mixed = (begin(FRONT, recipe, 0, device=Device("cpu", is_mixed=mixed)) for mixed in (False, True))
    assert isinstance(plain.network, Classifier)
    batch = LabelledBatches(photos, plain.network, recipe, 0)[0]
    losses = [step(plain, *batch)["class_loss"] for _ in range(8)]
    assert losses[-1] < losses[0] / 2
    assert step(mixed, *batch)["class_loss"] == pytest.approx(losses[0], rel=0.1)


def test_a_classifier_takes_one_folder(data: Path, tmp_path: Path) -> None:
    with pytest.raises(HilError, match="trained on one folder, and --data names 2"):
        train(FRONT, [data, data], tmp_path, recipe=SMALL)


def test_a_training_goes_on_where_it_stopped_and_its_rounding_can_be_learnt(data: Path, tmp_path: Path) -> None:
    options = {"recipe": SMALL, "threads": 1, "report_every": 4}
    checkpoint = train(FRONT, data, tmp_path, **options)
    train(FRONT, data, tmp_path, is_resumed=True, images=12, **options)
    history = json.loads((tmp_path / "history.json").read_text())
    assert [entry["images"] for entry in history] == [8, 12]
    assert all(0 <= entry["accuracy"] <= 1 and entry["class_loss"] > 0 for entry in history)
    assert (tmp_path / "curve.png").stat().st_size > 1000
    trained = weights.load(checkpoint)
    assert isinstance(trained, Classifier)
    assert accuracy(trained, read_labels(data, "train")[:2]) in (0.0, 0.5, 1.0)
    assert weights.load(tmp_path / f"{FRONT}-last.safetensors").spec == trained.spec

    photos = [fit_image(Image.open(path), trained.spec) for path, _ in read_labels(data, "train")[:2]]
    start = tmp_path / "start.safetensors"
    weights.save(trained, start, calibration(trained, photos, lambda what, done: None))
    tuned = train(FRONT, data, tmp_path / "tuned", start=start, is_quantised=True, **options)
    assert weights.metadata(tuned)["ranges"] == weights.metadata(start)["ranges"]


@pytest.mark.parametrize("name", VWW)
def test_every_classifier_has_a_recipe(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.images >= 1_000_000 and recipe.crop_area == (0.2, 1.0)
