"""The lowest score of a box that people are shown: chosen on held-out photos, by the false boxes a photo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hil import zoo
from hil.bench.compare import Boxes, iou
from hil.checkpoints.calibration import Step
from hil.compiler import decode, integer
from hil.compiler.quantised.graph import QuantisedGraph
from hil.errors import HilError
from hil.firmware.model import OPERATING_POINT, load_model
from hil.reference import weights
from hil.reference.detect import on_letterbox
from hil.reference.image import open_photo
from hil.reference.networks import Detector
from hil.training.wider import Annotation, read_annotations

FALSE_BOXES = 1.0  # a photo
HELD_OUT = 20  # every so manieth photo is not trained on
MATCH = 0.5  # IoU from which a box is a face's


def choose_operating_point(graph: QuantisedGraph, network: Detector, data: Path, step: Step) -> float:
    """The lowest score, in hundredths, at which every HELD_OUTth training photo has FALSE_BOXES on average.

    data: WIDER FACE, or faces in its layout. The boxes are the device's, as the integer reference has them. Raises
    HilError for data that is not there or damaged.
    """
    photos = read_annotations(data, "train")[::HELD_OUT]
    if not photos:
        raise HilError(f"{data} lists no training photos: give the folder with wider_face_split/")
    detect = on_letterbox(
        lambda planes: decode.detect(graph, integer.run(graph, np.ascontiguousarray(planes.transpose(1, 2, 0)))),
        network.spec,
    )
    mode, found = "L" if network.spec.input_shape[0] == 1 else "RGB", []
    for i, annotation in enumerate(photos):
        step(f"operating point on {len(photos)} photos", i / len(photos))
        pixels = np.asarray(open_photo(data / "WIDER_train" / "images" / annotation.name).convert(mode))
        planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        found.append(false_scores(detect(planes), annotation))
    return threshold(found, network.spec.score_threshold)


def add_operating_point(model: str, data: Path, out: Path, step: Step) -> float:
    """Write a copy of a calibrated checkpoint with its operating point. Returns the score.

    Raises HilError for a classifier, for a checkpoint without ranges, an --out that is no .safetensors file, and as
    choose_operating_point does.
    """
    if out.suffix != zoo.SUFFIX:
        raise HilError(f"{out} must end in {zoo.SUFFIX}: that is the format that keeps ranges beside the weights")
    graph, network = load_model(model)
    if not isinstance(network, Detector):
        raise HilError(
            f"{model} is {network.spec.name}, which finds no boxes: an operating point is for face detectors"
        )
    score = choose_operating_point(graph, network, data, step)
    known = weights.metadata(zoo.find(model))
    weights.save(network, out, {**known, OPERATING_POINT: f"{score:.2f}"})
    return score


def false_scores(boxes: Boxes, annotation: Annotation) -> NDArray[np.float32]:
    """The scores of boxes that are no face's, or a second one on a face; those on invalid faces do not count."""
    taken: set[int] = set()
    scores = []
    faces = np.c_[annotation.boxes, np.ones(len(annotation.boxes), np.float32)]
    for box in boxes[np.argsort(-boxes[:, 4], kind="stable")]:
        shared = iou(box[None], faces)[0] if len(faces) else np.zeros(0)
        best = int(shared.argmax()) if len(shared) else -1
        is_match = best >= 0 and shared[best] >= MATCH
        if is_match and not annotation.is_valid[best]:
            continue
        if is_match and best not in taken:
            taken.add(best)
        else:
            scores.append(box[4])
    return np.array(scores, np.float32)


def threshold(false: Sequence[NDArray[np.float32]], least: float) -> float:
    """The lowest score in hundredths, `least` or above, that FALSE_BOXES a photo reach. false: scores, a photo each."""
    scores = np.sort(np.concatenate([*false, np.zeros(0, np.float32)]))[::-1]
    allowed = int(FALSE_BOXES * len(false))
    bound = least if len(scores) <= allowed else max(least, float(scores[allowed]))
    return min(1.0, (np.floor(bound * 100) + 1) / 100) if bound > least else least
