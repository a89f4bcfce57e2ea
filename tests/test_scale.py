"""What 100,000 photos cost: the page does not grow with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hil.evaluation.journal import Predictions
from hil.evaluation.official import GroundTruth
from hil.evaluation.run import Task
from hil.report import evaluation_html

BOXES = np.array([[10 + 7 * i, 20, 60 + 7 * i, 90, 0.99 - 0.01 * i] for i in range(40)], np.float32)


def page(monkeypatch: pytest.MonkeyPatch, count: int) -> str:
    """The page of two ways that differ on every photo, each of them noise, which JPEG makes nothing smaller of."""
    names = [f"{i:06}.jpg" for i in range(count)]
    faces = [BOXES[:3, :4].astype(np.float64)] * count
    truth = GroundTruth(names, faces, {"medium": [np.ones(3, bool)] * count})
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (360, 480, 3), np.uint8))
    monkeypatch.setattr(evaluation_html.official, "load_ground_truth", lambda data: truth)
    monkeypatch.setattr(evaluation_html, "open_photo", lambda path: noise)
    ways = {"integer": BOXES, "native": BOXES + np.float32([1, 0, 1, 0, -0.001])}
    precision = {"easy": 0.5, "medium": 0.4, "hard": 0.3}
    found = [
        Predictions(way, dict.fromkeys(names, boxes), dict.fromkeys(names, 0.1), precision)
        for way, boxes in ways.items()
    ]
    return evaluation_html.render(Task("rnnpool_face_m4", Path("WIDER"), tuple(ways)), found)


def test_the_page_is_as_small_for_many_photos_as_for_few(monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = page(monkeypatch, 100), page(monkeypatch, 2000)
    assert abs(len(many) - len(few)) < 1000, "numbers have more digits, nothing else"
    assert len(many) < 5_000_000
