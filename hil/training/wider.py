"""WIDER FACE's annotations in their official layout: each photo's faces as boxes.

DIR/WIDER_<split>/images/<event>/*.jpg
DIR/wider_face_split/wider_face_<split>_bbx_gt.txt
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hil.errors import HilError
from hil.reading import opened


@dataclass(frozen=True)
class Annotation:
    """One photo's faces. boxes: (n, 4) float32 x0 y0 x1 y1 in pixels; is_valid: (n,) false where marked invalid."""

    name: str  # "<event>/<file>.jpg"
    boxes: np.ndarray
    is_valid: np.ndarray


def read_annotations(data: Path, split: str) -> list[Annotation]:
    """The annotations of a split ("train" or "val"). Raises HilError for a missing or malformed file, with the line."""
    path = data / "wider_face_split" / f"wider_face_{split}_bbx_gt.txt"
    try:
        with opened(path) as file:
            content = file.read()
    except OSError as error:
        raise HilError(f"no WIDER FACE annotations at {path}: give --data the folder with wider_face_split/") from error
    return list(_parse(path, list(_lines(path, content))))


def _lines(path: Path, content: bytes) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers."""
    for number, line in enumerate(content.removeprefix(codecs.BOM_UTF8).splitlines(), 1):
        try:
            if text := line.decode().strip():
                yield number, text
        except UnicodeDecodeError as error:
            what = f"byte {line[error.start]:#04x} is not UTF-8"
            raise HilError(f"{path}:{number}: {what}: save the file in UTF-8, photos under the same names") from None


def _parse(path: Path, lines: list[tuple[int, str]]) -> Iterator[Annotation]:
    i = 0
    while i < len(lines):
        number, name = lines[i]
        try:
            count = int(lines[i + 1][1])
            rows = [[float(v) for v in line.split()] for _, line in lines[i + 2 : i + 2 + max(count, 1)]]
            table = np.array(rows, np.float32).reshape(len(rows), -1)[:count]
            if not 0 <= count <= len(rows) or not np.isfinite(table).all():
                raise ValueError("the file ends too early, or has what is no number")
            boxes = np.concatenate([table[:, :2], table[:, :2] + table[:, 2:4]], 1)
        except (IndexError, ValueError) as error:
            raise HilError(f"{path}:{number}: expected a count and as many rows 'x y w h ...' after {name}") from error
        has_area = (boxes[:, 2:] > boxes[:, :2]).all(1)
        invalid = table[:, 7] > 0 if table.shape[1] > 7 else np.zeros(count, bool)
        yield Annotation(name, boxes[has_area], ~invalid[has_area])
        i += 2 + max(count, 1)  # a photo without a face has one row of zeros
