"""Training on a small made-up data set in WIDER FACE's layout: data, crops, matching, losses, and resuming."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from hil.errors import HilError
from hil.reference import weights
from hil.reference.boxes import decode, priors
from hil.reference.networks import SPECS, build
from hil.training.augment import augmented, random_crop
from hil.training.batches import Batches
from hil.training.faces import FaceLesson
from hil.training.loop import begin, step, train
from hil.training.losses import box_loss, focal_loss
from hil.training.matching import BACKGROUND, FACE, IGNORED, match
from hil.training.photos import open_photos
from hil.training.recipe import Recipe, Schedule
from hil.training.wider import read_annotations

M4 = SPECS["rnnpool_face_m4"]
SMALL = Recipe(images=24, batch=4, holdout_every=4)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight photos of 160x120 with bright discs for faces; the last photo has none."""
    folder = tmp_path_factory.mktemp("wider")
    images = folder / "WIDER_train" / "images" / "0--Discs"
    images.mkdir(parents=True)
    rng = np.random.default_rng(0)
    lines = []
    for i in range(8):
        photo = Image.fromarray(rng.integers(0, 90, (120, 160), np.uint8))
        boxes = [(int(x), int(y), int(s), int(s)) for x, y, s in rng.integers([5, 5, 10], [110, 70, 40], (3, 3))]
        boxes = [] if i == 7 else boxes
        for x, y, w, h in boxes:
            ImageDraw.Draw(photo).ellipse((x, y, x + w, y + h), fill=240)
        photo.convert("RGB").save(images / f"0_{i}.jpg", quality=95)
        rows = [f"{x} {y} {w} {h} 0 0 0 0 0 0" for x, y, w, h in boxes] or ["0 0 0 0 0 0 0 0 0 0"]
        lines += [f"0--Discs/0_{i}.jpg", str(len(boxes)), *rows]
    (folder / "wider_face_split").mkdir()
    (folder / "wider_face_split" / "wider_face_train_bbx_gt.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_the_official_layout_is_read(data: Path, tmp_path: Path) -> None:
    photos = open_photos([data], "train", True, tmp_path / "cache")
    assert [len(a.boxes) for a in photos.annotations] == [3] * 7 + [0]
    assert photos.photo(0).shape == (120, 160)
    x0, y0, x1, y1 = photos.annotations[0].boxes[0].astype(int)
    assert photos.photo(0)[(y0 + y1) // 2, (x0 + x1) // 2] > 200, "the box is where the disc is"
    cached = open_photos([data], "train", True, tmp_path / "cache")
    assert np.array_equal(cached.pixels, photos.pixels)
    colour = [open_photos([data], "train", False, cache) for cache in (tmp_path / "cache", None)]
    assert np.array_equal(colour[0].photo(3), colour[1].photo(3)) and colour[0].photo(3).shape == (120, 160, 3)


def test_faces_marked_invalid_are_known_and_empty_ones_dropped(tmp_path: Path) -> None:
    (tmp_path / "wider_face_split").mkdir()
    path = tmp_path / "wider_face_split" / "wider_face_val_bbx_gt.txt"
    path.write_text("a/b.jpg\n3\n1 2 10 12 0 0 0 0 0 0\n5 5 8 9 0 0 0 1 0 0\n7 7 0 4 0 0 0 0 0 0\n")
    (annotation,) = read_annotations(tmp_path, "val")
    assert annotation.boxes.tolist() == [[1, 2, 11, 14], [5, 5, 13, 14]]
    assert annotation.is_valid.tolist() == [True, False]
    path.write_text("a/b.jpg\n2\n1 2 10 12 0 0 0 0 0 0\n")
    with pytest.raises(HilError, match="wider_face_val_bbx_gt.txt:1: .*a/b.jpg"):
        read_annotations(tmp_path, "val")
    with pytest.raises(HilError, match="--data"):
        read_annotations(tmp_path, "train")


def test_missing_and_damaged_photos_are_named(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path, dirs_exist_ok=True)
    photo = tmp_path / "WIDER_train" / "images" / "0--Discs" / "0_0.jpg"
    photo.write_bytes(b"\xff\xd8 no photo")
    with pytest.raises(HilError, match="0_0.jpg is (damaged|not an image)"):
        open_photos([tmp_path], "train", True)
    photo.unlink()
    with pytest.raises(HilError, match="1 photos are missing, .*0_0.jpg"):
        open_photos([tmp_path], "train", True)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(20, 700), st.integers(20, 700))
def test_boxes_follow_the_crop(seed: int, width: int, height: int) -> None:
    """A bright square on black stays bright under its box, whatever the crop, flip, gain and offset."""
    rng = np.random.default_rng(seed)
    edge = max(4, min(width, height) // 4)
    x, y = rng.integers(0, width - edge), rng.integers(0, height - edge)
    luma = np.zeros((height, width), np.uint8)
    luma[y : y + edge, x : x + edge] = 255
    boxes = np.array([[x, y, x + edge, y + edge]], np.float32)
    view, found, is_cut = augmented(luma, boxes, (240, 320), 117.312, Recipe(), rng)
    assert view.shape == (240, 320)
    x0, y0, x1, y1 = found[0]
    if is_cut[0] or min(x1 - x0, y1 - y0) < 8:
        return
    blur = int(max(x1 - x0, y1 - y0) / edge) + 2  # interpolation reaches one pixel of the photo
    inside = view[int(y0) + blur : int(y1) - blur, int(x0) + blur : int(x1) - blur]
    assert inside.size == 0 or inside.min() > 0, "the square is brighter than the mean"
    outside = np.ones(view.shape, bool)
    outside[max(0, int(y0) - blur) : int(y1) + blur + 1, max(0, int(x0) - blur) : int(x1) + blur + 1] = False
    assert view[outside].size == 0 or view[outside].max() <= 0


def test_every_face_gets_anchors_and_the_offsets_decode_to_it() -> None:
    boxes = np.array([[100, 80, 116, 98], [200, 100, 206, 105], [30, 150, 90, 220]], np.float32)
    labels, offsets = match(priors(M4), boxes, np.zeros(3, bool), Recipe(), M4.variances)
    decoded = decode(offsets[labels == FACE], priors(M4)[labels == FACE], M4.variances)
    nearest = np.abs(decoded[:, None] - boxes[None]).max(2)
    assert nearest.min(1).max() < 1e-3, "every face anchor learns one of the faces"
    assert np.bincount(nearest.argmin(1), minlength=3).min() >= 3


def test_ignored_and_nearly_matching_anchors_teach_nothing() -> None:
    box = np.array([[100, 80, 116, 98]], np.float32)
    labels, _ = match(priors(M4), box, np.array([True]), Recipe(), M4.variances)
    assert not (labels == FACE).any() and (labels == IGNORED).any()
    loose = replace(Recipe(), ignore_iou=0.0, least_anchors=1)
    strict, _ = match(priors(M4), box, np.array([False]), loose, M4.variances)
    assert (strict == IGNORED).sum() > (labels == IGNORED).sum() / 4
    empty, offsets = match(priors(M4), np.zeros((0, 4), np.float32), np.zeros(0, bool), Recipe(), M4.variances)
    assert (empty == BACKGROUND).all() and not offsets.any()


def test_focal_loss_follows_its_formula_and_leaves_out_what_is_ignored() -> None:
    labels = torch.tensor([[FACE, BACKGROUND, IGNORED]])
    confidence = torch.tensor([[[0.0, 1.0], [0.0, -2.0], [5.0, -5.0]]], requires_grad=True)
    p_face, p_background = 1 / (1 + np.exp(-1.0)), 1 / (1 + np.exp(-2.0))
    expected = (1 - p_face) ** 2 * -np.log(p_face) + 2 * (1 - p_background) ** 2 * -np.log(p_background)
    loss = focal_loss(confidence, labels, Recipe())
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert confidence.grad is not None and not confidence.grad[0, 2].any()


def test_the_box_loss_is_of_face_anchors_only() -> None:
    labels = torch.tensor([[FACE, BACKGROUND]])
    offsets = torch.tensor([[[2.0, 0, 0, 0.5], [9, 9, 9, 9]]])
    assert box_loss(offsets, labels, torch.zeros(1, 2, 4)).item() == pytest.approx(1.5 + 0.125)
    assert box_loss(offsets, torch.zeros(1, 2), torch.zeros(1, 2, 4)).item() == 0


@given(st.integers(1, 10**6), st.floats(0, 1), st.integers(0, 10**6))
def test_moving_the_schedules_end_does_not_move_the_rate(end: int, part: float, later: int) -> None:
    recipe, seen = Recipe(), round(end * part)
    schedule = Schedule(end)
    moved = schedule.retargeted(seen, seen + later)
    assert moved.rate(seen, recipe) == pytest.approx(schedule.rate(seen, recipe))
    assert moved.progress(moved.end) == pytest.approx(1.0) or moved.end == seen
    assert moved.rate(moved.end, recipe) <= schedule.rate(seen, recipe) + recipe.peak_rate * (part < recipe.warm_up)


def test_a_batch_depends_on_the_seed_and_its_number_only(data: Path) -> None:
    photos = open_photos([data], "train", True)
    first, again, other = (Batches(photos, np.arange(7), M4, SMALL, seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first[5], again[5], strict=True))
    assert not torch.equal(first[5][0], other[5][0])
    assert not torch.equal(first[5][0], first[6][0])


def test_windows_are_parts_of_the_input_at_its_scale_and_some_batches_are_whole(data: Path) -> None:
    recipe = replace(SMALL, batch=8, window=0.5, whole_every=3)
    batches = Batches(open_photos([data], "train", True), np.arange(7), M4, recipe, 0)
    assert [tuple(batches[number][0].shape) for number in (0, 1, 2, 3)] == [
        (2, 1, 240, 320), (8, 1, 120, 160), (8, 1, 120, 160), (2, 1, 240, 320)
    ]  # fmt: skip
    assert [batches[number][1].shape[1] for number in (0, 1)] == [3000, 760]
    network = build("rnnpool_face_m4")
    assert network(batches[1][0])[0].shape == batches[1][2].shape, "the anchors are those of the network's maps"
    box, size = np.array([[40, 30, 80, 70]], np.float32), (120, 160)
    half = replace(recipe, zoom=(1.0, 1.0), aspect=0.0)
    crops = [random_crop((240, 320), box, size, half, np.random.default_rng(seed)) for seed in range(30)]
    assert sum(crop.x_scale == pytest.approx(1.0) for crop in crops) > 5, "a letterbox scale is the whole input's"


def test_a_step_of_fewer_whole_photos_counts_as_a_batch(data: Path) -> None:
    recipe = replace(SMALL, window=0.5, whole_every=2)
    training = begin("rnnpool_face_m4", recipe, 0)
    batches = Batches(open_photos([data], "train", True), np.arange(7), M4, recipe, 0)
    for number in range(2):
        assert training.seen == number * recipe.batch
        step(training, *batches[number])


def test_several_folders_are_one_set_judged_by_the_first(data: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    shutil.copytree(data, more)
    lesson = FaceLesson(M4, [data, more], SMALL, 0)
    alone = FaceLesson(M4, [data], SMALL, 0)
    assert len(lesson.photos) == 16 and lesson.held_out.tolist() == alone.held_out.tolist() == [0, 4]
    assert np.array_equal(lesson.photos.photo(9), lesson.photos.photo(1))
    assert lesson.batches.chosen.tolist() == [1, 2, 3, 5, 6, *range(8, 15)], "nothing of the others is held out"
    assert lesson.data_name.endswith(", more")
    with pytest.raises(HilError, match="no WIDER FACE annotations at .*nowhere"):
        FaceLesson(M4, [data, tmp_path / "nowhere"], SMALL, 0)


def test_an_epoch_shows_every_photo_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = open_photos([data], "train", True)
    seen: list[int] = []
    decoded = type(photos).photo
    monkeypatch.setattr(type(photos), "photo", lambda self, index: (seen.append(int(index)), decoded(self, index))[1])
    batches = Batches(photos, np.array([0, 2, 3, 6]), M4, SMALL, 0)
    batches[0], batches[1]
    assert sorted(seen[:4]) == sorted(seen[4:]) == [0, 2, 3, 6]


def test_the_loss_falls_on_a_batch_seen_often(data: Path) -> None:
    training = begin("rnnpool_face_m4", replace(SMALL, warm_up=0.01, images=400), 0)
    batch = Batches(open_photos([data], "train", True), np.arange(7), M4, SMALL, 0)[0]
    losses = [sum(step(training, *batch).values()) for _ in range(12)]
    assert losses[-1] < losses[0] / 2


def test_a_diverged_training_says_so(data: Path) -> None:
    training = begin("rnnpool_face_m4", SMALL, 0)
    batch = Batches(open_photos([data], "train", True), np.arange(7), M4, SMALL, 0)[0]
    with torch.no_grad():
        training.network.loc[0].weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(HilError, match="diverged after 0 images"):
        step(training, *batch)


def test_an_interrupted_training_ends_as_an_uninterrupted_one(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.training.loop.SAVE_EVERY", 8)
    options = {"recipe": SMALL, "seed": 5, "threads": 1, "report_every": 8}
    whole = train("rnnpool_face_m4", data, tmp_path / "whole", **options)

    def stop(*_: object) -> None:
        if json.loads(torch.load(tmp_path / "parts" / "state.pt")["plain"])[3] == 16:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("hil.training.loop.log.info", stop)
        (tmp_path / "parts").mkdir()
        torch.save({"plain": "[0,0,0,0]"}, tmp_path / "parts" / "state.pt")
        with pytest.raises(KeyboardInterrupt):
            train("rnnpool_face_m4", data, tmp_path / "parts", **options)
    parts = train("rnnpool_face_m4", data, tmp_path / "parts", is_resumed=True, **options)
    ends = [torch.load(folder.parent / "state.pt", weights_only=True) for folder in (whole, parts)]
    for name, tensor in ends[0]["network"].items():
        assert torch.equal(tensor, ends[1]["network"][name]), name
    assert weights.load(parts).spec == M4
    assert (tmp_path / "parts" / "curve.png").stat().st_size > 1000
    history = json.loads((tmp_path / "parts" / "history.json").read_text())
    assert [entry["images"] for entry in history] == [8, 16, 24]


def test_resuming_needs_the_same_recipe_and_a_whole_state(data: Path, tmp_path: Path) -> None:
    training = begin("rnnpool_face_m4", SMALL, 0)
    training.save(tmp_path / "state.pt")
    other = replace(SMALL, peak_rate=1.0)
    with pytest.raises(HilError, match="another recipe or seed"):
        train("rnnpool_face_m4", data, tmp_path, is_resumed=True, recipe=other)
    (tmp_path / "state.pt").write_bytes(b"cut off")
    with pytest.raises(HilError, match="cannot resume"):
        train("rnnpool_face_m4", data, tmp_path, is_resumed=True, recipe=SMALL)


def test_networks_that_cannot_be_trained_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(HilError, match="unknown network 'm5'"):
        train("m5", data, tmp_path)
