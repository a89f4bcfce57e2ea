"""What an evaluation found, kept photo by photo on disk so that an interrupted one goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from hil.bench.compare import CONFIDENT, OVERLAP, Boxes, differing_boxes, iou, unmatched
from hil.evaluation.official import GroundTruth
from hil.files import write_text, writing_below
from hil.reference.ap import MATCH_IOU


@dataclass(frozen=True)
class Predictions:
    """One way's boxes on every photo, (n, 5) x0 y0 x1 y1 score in pixels of the photo, and what they took.

    seconds: that a photo took in its worker, without reading the file. precision: AP by difficulty.
    """

    way: str
    boxes: Mapping[str, Boxes]
    seconds: Mapping[str, float]
    precision: Mapping[str, float]

    @property
    def per_second(self) -> float:
        """Photos a second of one worker."""
        return len(self.seconds) / max(sum(self.seconds.values()), 1e-9)


@dataclass(frozen=True)
class Disagreement:
    """How far two ways are apart on one photo.

    differing: boxes that are not bit-identical; unmatched: confident ones of either that the other does not have;
    score: the largest change of a confident box's score.
    """

    photo: str
    differing: int
    unmatched: int
    score: float


def disagreements(one: Predictions, other: Predictions) -> list[Disagreement]:
    """Of every photo, the worst first."""
    found = [disagreement(name, boxes, other.boxes[name]) for name, boxes in one.boxes.items()]
    return sorted(found, key=lambda d: (-d.unmatched, -d.score, -d.differing, d.photo))


def disagreement(photo: str, one: Boxes, other: Boxes) -> Disagreement:
    """How far two ways' boxes on a photo are apart."""
    score = max(_score_change(one, other), _score_change(other, one))
    return Disagreement(photo, differing_boxes(one, other), unmatched(one, other) + unmatched(other, one), score)


def _score_change(boxes: Boxes, others: Boxes) -> float:
    """Of the confident boxes that have a counterpart: the largest difference to its score."""
    confident = boxes[boxes[:, 4] >= CONFIDENT]
    if not len(confident) or not len(others):
        return 0.0
    overlaps = iou(confident, others)
    nearest, is_there = overlaps.argmax(1), overlaps.max(1) >= OVERLAP
    return float(np.abs(confident[:, 4] - others[nearest, 4])[is_there].max(initial=0.0))


@dataclass(frozen=True)
class Mistakes:
    """What one way got wrong on one photo.

    missed: faces without a confident box that overlaps them by half; false_alarms: confident boxes without a face.
    """

    photo: str
    missed: int
    false_alarms: int
    faces: int


def mistakes(one: Predictions, truth: GroundTruth, difficulty: str = "medium") -> list[Mistakes]:
    """Of every photo, the most first; missed ones are counted among the faces of a difficulty."""
    places = {name: i for i, name in enumerate(truth.names)}
    found = []
    for name, boxes in one.boxes.items():
        faces, counted = truth.faces[places[name]], truth.counted[difficulty][places[name]]
        confident = boxes[boxes[:, 4] >= CONFIDENT]
        overlap = iou(confident, faces) >= MATCH_IOU
        missed = int((~overlap.any(0) & counted).sum())
        found.append(Mistakes(name, missed, int((~overlap.any(1)).sum()), int(counted.sum())))
    return sorted(found, key=lambda m: (-m.missed - m.false_alarms, m.photo))


@dataclass
class Journal:
    """A file with a line a photo, to which each result is added as it comes.

    Its first line says what was evaluated; a file of something else is begun anew. A line that was cut off is dropped.
    """

    path: Path
    identity: dict[str, Any]
    boxes: dict[str, Boxes] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    _file: IO[str] | None = None

    def __enter__(self) -> Journal:
        kept = self._read()
        write_text(self.path, "".join(line + "\n" for line in [json.dumps(self.identity), *kept]))
        with writing_below(self.path):
            self._file = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._file is not None
        with writing_below(self.path):
            self._file.close()

    def add(self, photo: str, boxes: Boxes, seconds: float) -> None:
        """Keep a photo's result."""
        assert self._file is not None, "a journal is open while it is written"
        self.boxes[photo], self.seconds[photo] = boxes, seconds
        entry = {"photo": photo, "seconds": round(seconds, 4), "boxes": boxes.astype(np.float64).tolist()}
        with writing_below(self.path):
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()

    def _read(self) -> list[str]:
        """Take up what is there; returns the lines to keep."""
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else []
        kept: list[str] = []
        for i, line in enumerate(lines):
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                break
            if i == 0:
                if entry != self.identity:
                    return []
                continue
            self.boxes[entry["photo"]] = np.asarray(entry["boxes"], np.float32).reshape(-1, 5)
            self.seconds[entry["photo"]] = entry["seconds"]
            kept.append(line)
        return kept
