"""evaluation.html: what an evaluation found, and its worst photos.

Those on which two ways disagree most, and those on which the first way is furthest from the annotated faces.
"""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image

from hil.bench.compare import CONFIDENT, Boxes
from hil.evaluation import official as official
from hil.evaluation.journal import Disagreement, Predictions, disagreements, mistakes
from hil.evaluation.run import Task
from hil.files import write_text
from hil.reference.image import open_photo
from hil.report.pages import template

WORST = 12  # photos shown
COLOURS = ("#35a2ff", "#ffb02e", "#ff5fa2", "#52c48b")
SHOWN_EDGE = 480  # pixels; more would make the file heavy
LEAST_SCORE = 0.3
Row = TypeVar("Row")


def write_evaluation(task: Task, found: Sequence[Predictions], path: Path) -> None:
    """Write the report of one evaluation; the file is there as a whole or not at all."""
    write_text(path, render(task, found))


def render(task: Task, found: Sequence[Predictions]) -> str:
    """The report as HTML."""
    pairs = [_pair(one, other) for one, other in itertools.combinations(found, 2)]
    truth = official.load_ground_truth(task.data)
    faces = dict(zip(truth.names, truth.faces, strict=True))
    wrong = [(one.way, mistakes(one, truth)[:WORST]) for one in found]
    sets = [
        ("Where the ways disagree most", worst_photos(found)) if pairs else None,
        (f"Where {found[0].way} is furthest from the annotated faces", [m.photo for m in wrong[0][1]]),
    ]
    page = template("evaluation.html.j2")
    return page.render(
        task=task,
        found=found,
        colours=dict(zip((one.way for one in found), COLOURS, strict=False)),
        pairs=pairs,
        worst=_grouped((pair["names"], pair["rows"]) for pair in pairs if pair["rows"]),
        wrong=_grouped(wrong),
        sets=[
            (title, [_photo(task, found, name, faces[name]) for name in names]) for title, names in filter(None, sets)
        ],
        confident=CONFIDENT,
    )


def _grouped(tables: Iterable[tuple[str, list[Row]]]) -> list[tuple[str, list[Row]]]:
    """Titles and tables, equal tables once under all their titles."""
    titles: dict[tuple[Row, ...], list[str]] = {}
    for title, rows in tables:
        titles.setdefault(tuple(rows), []).append(title)
    return [("; ".join(names), list(rows)) for rows, names in titles.items()]


def worst_photos(found: Sequence[Predictions]) -> list[str]:
    """Names of the photos on which any two ways are furthest apart, worst first."""
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


def _photo(task: Task, found: Sequence[Predictions], name: str, faces: Boxes) -> dict[str, Any]:
    photo = open_photo(task.data / "WIDER_val" / "images" / name)
    width, height = photo.size
    scale = min(1.0, SHOWN_EDGE / max(photo.size))
    small = photo.convert("RGB").resize((max(1, round(width * scale)), max(1, round(height * scale))))
    boxes = [{"way": one.way, **box} for one in found for box in _boxes(one.boxes[name])]
    annotated = [_rectangle(face) for face in faces]
    return {"name": name, "width": width, "height": height, "uri": _data_uri(small), "boxes": boxes, "faces": annotated}


def _data_uri(photo: Image.Image) -> str:
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _boxes(boxes: Boxes) -> list[dict[str, float]]:
    shown = boxes[boxes[:, 4] >= LEAST_SCORE]
    return [{**_rectangle(box), "score": float(box[4])} for box in shown]


def _rectangle(box: Boxes) -> dict[str, float]:
    x0, y0, x1, y1 = map(float, box[:4])
    return {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0}
