"""The figures of an evaluation, as evaluation.json: for comparisons and histories."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.evaluation.classes import Accuracy
from hil.evaluation.journal import Predictions
from hil.evaluation.run import Task
from hil.files import write_text

SCHEMA = 1


@dataclass(frozen=True)
class Shares:
    """One way's figures. shares: by name, 0 to 1, "ap.easy" or "accuracy"; per_second: photos of one process."""

    way: str
    shares: dict[str, float]
    photos: int
    per_second: float

    @classmethod
    def of_boxes(cls, found: Predictions) -> Shares:
        """Average precision by difficulty."""
        shares = {f"ap.{name}": value for name, value in found.precision.items()}
        return cls(found.way, shares, len(found.boxes), found.per_second)

    @classmethod
    def of_classes(cls, found: Accuracy) -> Shares:
        """The share of photos that got their class."""
        return cls(found.way, {"accuracy": found.share}, len(found.labels), found.per_second)


def evaluation_json(task: Task, found: Sequence[Shares]) -> dict[str, Any]:
    """The object: the model, the data set by its folder's name, a table of figures a way."""
    ways = {one.way: {"shares": one.shares, "photos": one.photos, "per_second": one.per_second} for one in found}
    facts = {"schema": SCHEMA, "kind": "evaluation", "model": task.model, "board": task.board}
    return facts | {"data": task.data.name, "multi_scale": task.is_multi_scale, "ways": ways}


def write_evaluation_json(task: Task, found: Sequence[Shares], path: Path) -> None:
    """Write evaluation.json; the file is there as a whole or not at all."""
    write_text(path, json.dumps(evaluation_json(task, found), indent=1, allow_nan=False) + "\n")
