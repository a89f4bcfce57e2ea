"""The score from which on people are shown boxes: one false box a photo, on photos that were held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli import hil

from hil.checkpoints.operating_point import false_scores, threshold
from hil.errors import HilError
from hil.firmware.model import OPERATING_POINT, operating_point
from hil.reference import weights
from hil.reference.networks import SPECS, Detector
from hil.training.wider import Annotation


def annotation(*boxes: tuple[float, ...], valid: tuple[bool, ...] | None = None) -> Annotation:
    return Annotation("a.jpg", np.array(boxes, np.float32).reshape(-1, 4), np.array(valid or (True,) * len(boxes)))


def test_false_boxes_are_those_on_no_face_and_second_ones_on_a_face() -> None:
    found = np.array([[0, 0, 10, 10, 0.5], [1, 0, 11, 10, 0.9], [50, 50, 60, 60, 0.3]], np.float32)
    assert false_scores(found, annotation((0, 0, 10, 10))).tolist() == pytest.approx([0.5, 0.3])
    assert false_scores(found, annotation()).tolist() == pytest.approx([0.9, 0.5, 0.3])


def test_boxes_on_invalid_faces_do_not_count() -> None:
    found = np.array([[0, 0, 10, 10, 0.9]], np.float32)
    assert len(false_scores(found, annotation((0, 0, 10, 10), valid=(False,)))) == 0


def test_the_threshold_leaves_one_false_box_a_photo() -> None:
    photos = [np.float32([0.9, 0.41]), np.float32([0.8, 0.333]), np.float32([])]
    found = threshold(photos, 0.05)
    assert found == pytest.approx(0.34)
    assert sum((scores >= found).sum() for scores in photos) == len(photos)
    assert threshold([np.float32([0.9])], 0.05) == 0.05


def test_the_shipped_model_carries_one() -> None:
    assert 0.3 < operating_point("rnnpool_face_m4") < 0.5


def test_a_checkpoint_without_one_has_the_middle_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    network = Detector(SPECS["rnnpool_face_m4"])
    path = tmp_path / "a.safetensors"
    weights.save(network, path)
    assert operating_point(str(path)) == 0.5
    for wrong in ("much", "1.5", "nan"):
        weights.save(network, path, {OPERATING_POINT: wrong})
        with pytest.raises(HilError, match="expected a score from 0 to 1"):
            operating_point(str(path))


def test_quantise_wants_photos_or_faces(capsys, monkeypatch, tmp_path: Path) -> None:
    outcome = hil(capsys, monkeypatch, "quantise", "rnnpool_face_m4", "--out", tmp_path / "a.safetensors")
    assert outcome.code == 2 and "--images for ranges, --faces" in outcome.err


def test_faces_that_are_not_there_are_an_error(capsys, monkeypatch, tmp_path: Path) -> None:
    out = tmp_path / "a.safetensors"
    outcome = hil(capsys, monkeypatch, "quantise", "rnnpool_face_m4", "--faces", tmp_path, "--out", out)
    assert outcome.code == 2 and "no WIDER FACE annotations" in outcome.err and not out.exists()
