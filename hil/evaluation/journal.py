"""The results of an evaluation, photo by photo on disk, so that an interrupted one continues from there."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, Any

import numpy as np
from msgspec import Meta, Struct, to_builtins

from hil.bench.compare import CONFIDENT, OVERLAP, Boxes, differing_boxes, iou, unmatched
from hil.errors import HilError
from hil.evaluation.official import GroundTruth
from hil.files import writing, writing_below
from hil.reading import Number, json_as, json_of, read_lines
from hil.reference.ap import MATCH_IOU

log = logging.getLogger(__name__)


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


class _Entry(Struct, forbid_unknown_fields=True):
    """A line of a journal. content: a hash of the photo's file; sum: of all else in the line, and of the identity."""

    photo: str
    content: str
    seconds: Annotated[float, Meta(ge=0, le=1e9)]
    boxes: list[tuple[Number, Number, Number, Number, Annotated[float, Meta(ge=0, le=1.01)]]]
    sum: str = ""


@dataclass
class Journal:
    """A file with a line a photo, to which each result is added as it comes.

    Its first line says what was evaluated; a file of something else is begun anew. Each line carries a checksum: one
    that was cut off, changed or copied from another journal is dropped, and counts for nothing.
    """

    path: Path
    identity: dict[str, Any]
    boxes: dict[str, Boxes] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)  # of each photo
    _file: IO[str] | None = None

    def __enter__(self) -> Journal:
        with writing(self.path) as anew:
            anew.write(f"{json.dumps(self.identity)}\n".encode())
            for line in self._kept():
                anew.write(f"{line}\n".encode())
        with writing_below(self.path):
            self._file = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._file is not None
        with writing_below(self.path):
            self._file.close()

    def add(self, photo: str, boxes: Boxes, seconds: float, content: str = "") -> None:
        """Keep a photo's result. content: a hash of its file."""
        assert self._file is not None, "a journal is open while it is written"
        self.boxes[photo], self.seconds[photo], self.contents[photo] = boxes, seconds, content
        entry = _Entry(photo, content, round(float(seconds), 4), boxes.astype(np.float64).tolist())
        entry.sum = self._sum(entry)
        with writing_below(self.path):
            self._file.write(json.dumps(to_builtins(entry)) + "\n")
            self._file.flush()

    def _sum(self, entry: _Entry) -> str:
        """What a line's checksum must be, in this journal."""
        text = json.dumps([self.identity, entry.photo, entry.content, entry.seconds, entry.boxes])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _kept(self) -> Iterator[str]:
        """Take up what is there; the lines to keep, one after another: a large data set's may be gigabytes."""
        lines = read_lines(self.path) if self.path.is_file() else iter(())
        if not self._is_ours(next(lines, "")):
            return
        damaged = 0
        for line in lines:
            if self._take(line):
                yield line
            else:
                damaged += 1
        if damaged:
            log.warning("%d lines of %s are damaged: made again", damaged, self.path)

    def _is_ours(self, line: str) -> bool:
        try:
            return bool(json_of(line, str(self.path)) == self.identity)
        except HilError:
            return False

    def _take(self, line: str) -> bool:
        """Whether a line is what was written."""
        try:
            entry: _Entry = json_as(line, _Entry, str(self.path))
        except HilError:
            return False
        if entry.sum != self._sum(entry):
            return False
        self.boxes[entry.photo] = np.asarray(entry.boxes, np.float32).reshape(-1, 5)
        self.seconds[entry.photo], self.contents[entry.photo] = entry.seconds, entry.content
        return True


def read(path: Path) -> tuple[dict[str, Any], Journal]:
    """Another journal's identity and results, the file left as it is. Raises HilError where it is none."""
    identity = json_of(next(read_lines(path), ""), str(path))
    if not isinstance(identity, dict):
        raise HilError(f"{path} is no journal of hil evaluate: its first line has another format")
    found = Journal(path, identity)
    for _ in found._kept():
        pass
    return identity, found
