"""What 100,000 photos cost: the page does not grow with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hil import reading
from hil.errors import HilError
from hil.evaluation.journal import Journal, Predictions, read
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


def test_a_journal_may_be_larger_than_what_is_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """100,000 photos of M4 take 1.8 GB: lines are read one by one, each of a bounded length."""
    monkeypatch.setattr(reading.read_lines, "__defaults__", (8000,))
    path, names = tmp_path / "journal.jsonl", [f"{i}.jpg" for i in range(9)]
    with Journal(path, {"way": "integer"}) as journal:
        for name in names[:6]:
            journal.add(name, BOXES, 0.5)
    assert path.stat().st_size > 8000
    with Journal(path, {"way": "integer"}) as again:
        assert list(again.boxes) == names[:6] and again.boxes["5.jpg"].tobytes() == BOXES.tobytes()
        again.add("6.jpg", BOXES, 0.5)
    _, found = read(path)
    assert list(found.boxes) == names[:7]
    with path.open("a") as file:
        file.write("x" * 9000)
    with pytest.raises(HilError, match="journal.jsonl has a line of more than 8000 bytes"):
        read(path)
