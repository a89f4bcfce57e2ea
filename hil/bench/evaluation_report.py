"""evaluation.html: what an evaluation found, and the photos on which the ways disagree most."""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from PIL import Image

from hil.bench.compare import CONFIDENT, Boxes
from hil.bench.evaluate import Task
from hil.bench.evaluation import Disagreement, Predictions, disagreements
from hil.bench.run import write_text
from hil.reference.image import open_photo

WORST = 12  # photos shown
COLOURS = ("#35a2ff", "#ffb02e", "#ff5fa2", "#52c48b")
SHOWN_EDGE = 480  # pixels; more would make the file heavy
LEAST_SCORE = 0.3


def write_evaluation(task: Task, found: Sequence[Predictions], path: Path) -> None:
    """Write the report of one evaluation; the file is there as a whole or not at all."""
    write_text(path, render(task, found))


def render(task: Task, found: Sequence[Predictions]) -> str:
    """The report as HTML. Without a second way to disagree with, the photos with the strongest boxes are shown."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hil.bench"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    pairs = [_pair(one, other) for one, other in itertools.combinations(found, 2)]
    return environment.get_template("evaluation.html.j2").render(
        task=task,
        found=found,
        colours=dict(zip((one.way for one in found), COLOURS, strict=False)),
        pairs=pairs,
        photos=[_photo(task, found, name) for name in worst_photos(found)],
        confident=CONFIDENT,
    )


def worst_photos(found: Sequence[Predictions]) -> list[str]:
    """Names of the photos to show: where any two ways are furthest apart, worst first."""
    if len(found) == 1:
        strongest = {name: float(boxes[:, 4].max(initial=0)) for name, boxes in found[0].boxes.items()}
        return sorted(strongest, key=lambda name: (-strongest[name], name))[:WORST]
    everything = [d for one, other in itertools.combinations(found, 2) for d in disagreements(one, other)]
    everything.sort(key=lambda d: (-d.unmatched, -d.score, -d.differing, d.photo))
    return list(dict.fromkeys(d.photo for d in everything if d.differing))[:WORST]


def _pair(one: Predictions, other: Predictions) -> dict[str, Any]:
    worst: list[Disagreement] = disagreements(one, other)
    return {
        "names": f"{one.way} and {other.way}",
        "photos": len(worst),
        "differing": sum(d.differing > 0 for d in worst),
        "unmatched": sum(d.unmatched > 0 for d in worst),
        "score": max((d.score for d in worst), default=0.0),
        "rows": [d for d in worst if d.differing][:WORST],
    }


def _photo(task: Task, found: Sequence[Predictions], name: str) -> dict[str, Any]:
    photo = open_photo(task.data / "WIDER_val" / "images" / name)
    width, height = photo.size
    scale = min(1.0, SHOWN_EDGE / max(photo.size))
    small = photo.convert("RGB").resize((max(1, round(width * scale)), max(1, round(height * scale))))
    boxes = [{"way": one.way, **box} for one in found for box in _boxes(one.boxes[name])]
    return {"name": name, "width": width, "height": height, "uri": _data_uri(small), "boxes": boxes}


def _data_uri(photo: Image.Image) -> str:
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _boxes(boxes: Boxes) -> list[dict[str, float]]:
    shown = boxes[boxes[:, 4] >= LEAST_SCORE]
    return [
        {"x": float(x0), "y": float(y0), "width": float(x1 - x0), "height": float(y1 - y0), "score": float(score)}
        for x0, y0, x1, y1, score in shown
    ]
