"""A detector against WIDER FACE's validation set, by the official protocol and ground truth.

DIR/ground_truth/wider_{face,easy,medium,hard}_val.mat      DIR/WIDER_val/images/<event>/*.jpg
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from hil.errors import HilError
from hil.evaluation.matlab import load_cells
from hil.reference.ap import average_precision
from hil.reference.detect import Detect
from hil.reference.image import open_photo
from hil.shown import shown

DIFFICULTIES = ("easy", "medium", "hard")


@dataclass(frozen=True)
class GroundTruth:
    """The validation photos in order. faces: (m, 4) x0 y0 x1 y1 a photo; counted: a mask of them each difficulty."""

    names: list[str]  # "<event>/<file>.jpg"
    faces: list[np.ndarray]
    counted: dict[str, list[np.ndarray]]


def load_ground_truth(data: Path) -> GroundTruth:
    """The official .mat files of the validation set. Raises HilError where one is missing or not what it should be."""
    folder = data / "ground_truth"
    files = [folder / f"wider_{name}_val.mat" for name in ("face", *DIFFICULTIES)]
    listing, *chosen = load_cells(files)
    _require(listing, files[0], "event_list", "file_list", "face_bbx_list")
    for content, file in zip(chosen, files[1:], strict=True):
        _require(content, file, "gt_list")
    truth = GroundTruth([], [], {name: [] for name in DIFFICULTIES})
    try:
        _fill(truth, listing, dict(zip(DIFFICULTIES, (content["gt_list"] for content in chosen), strict=True)))
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise HilError(f"{folder} is not WIDER FACE's ground truth ({shown(error)}): copy it again") from error
    return truth


def _fill(truth: GroundTruth, listing: dict[str, Any], chosen: dict[str, Any]) -> None:
    for event in range(len(listing["event_list"])):
        folder_name = _text(listing["event_list"][event])
        for i, file in enumerate(listing["file_list"][event]):
            boxes = np.array(listing["face_bbx_list"][event][i], np.float64).reshape(-1, 4)
            truth.names.append(f"{folder_name}/{_text(file)}.jpg")
            truth.faces.append(np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1))
            for name in DIFFICULTIES:
                mask = np.zeros(len(boxes), bool)
                mask[np.array(chosen[name][event][i]).ravel().astype(int) - 1] = True  # MATLAB counts from 1
                truth.counted[name].append(mask)


def digest(data: Path) -> str:
    """A hash of the ground truth."""
    files = sorted((data / "ground_truth").glob("wider_*_val.mat"))
    return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files)).hexdigest()[:16]


def _require(content: dict[str, Any], path: Path, *fields: str) -> None:
    if missing := [field for field in fields if field not in content]:
        raise HilError(f"{path} lacks {', '.join(missing)}: it is not WIDER FACE's ground truth")


def _text(cell: Any) -> str:
    """The string at the bottom of MATLAB's nested cells."""
    while isinstance(cell, list):
        cell = cell[0]
    return str(cell)


def evaluate(
    predictions: Mapping[str, np.ndarray], data: Path, photos: Collection[str] | None = None
) -> dict[str, float]:
    """AP easy, medium and hard of predictions, (n, 5) x0 y0 x1 y1 score in pixels under each photo's name.

    photos: of the ground truth, all without. Raises HilError where one has no entry (an empty one is fine).
    """
    truth = load_ground_truth(data)
    names = truth.names if photos is None else photos
    missing = [name for name in names if name not in predictions]
    if missing:
        raise HilError(f"{len(missing)} of {len(names)} photos have no predictions, {missing[0]} for one")
    wanted = set(names)
    chosen = [i for i, name in enumerate(truth.names) if name in wanted]
    ordered, faces = [predictions[truth.names[i]] for i in chosen], [truth.faces[i] for i in chosen]
    return {name: average_precision(ordered, faces, [truth.counted[name][i] for i in chosen]) for name in DIFFICULTIES}


def predict(detect: Detect, data: Path, is_mono: bool = True) -> dict[str, np.ndarray]:
    """The detector's boxes on every validation photo under its name, with a progress bar.

    The detector gets luma (1, H, W) or RGB (3, H, W).
    """
    found = {}
    for name in track(load_ground_truth(data).names, "Detecting faces", transient=True):
        photo = np.asarray(open_photo(data / "WIDER_val" / "images" / name).convert("L" if is_mono else "RGB"))
        found[name] = detect(photo[None] if is_mono else photo.transpose(2, 0, 1))
    return found
