"""What face detectors learn from: crops around WIDER FACE's faces, and AP on photos that are held out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from torch import Tensor

from hil.reference.ap import average_precision
from hil.reference.detect import float_detector
from hil.reference.networks import Detector, DetectorSpec
from hil.training.batches import Batches
from hil.training.losses import box_loss, focal_loss
from hil.training.photos import Photos, as_planes, open_photos
from hil.training.recipe import Recipe
from hil.training.wider import read_annotations

# AP of faces of at least so many pixels of a 320 wide input. WIDER FACE's easy, medium and hard faces are at least 50,
# 30 and 10 pixels high in photos that are 1,024 wide: 16, 9 and 3 of 320.
HOLDOUT_SIZES = (16, 9, 3)


class FaceLesson:
    """WIDER_train of one folder or several for a detector. Raises HilError for missing annotations and photos.

    Every recipe.holdout_every-th photo of the first folder judges it and is never trained on.
    """

    def __init__(
        self, spec: DetectorSpec, data: Sequence[Path], recipe: Recipe, seed: int, cache: Path | None = None
    ) -> None:
        self.spec, self.recipe, self.seed = spec, recipe, seed
        self.data_name = "WIDER_train of " + ", ".join(folder.resolve().name for folder in data)
        self.photos: Photos = open_photos(data, "train", spec.input_shape[0] == 1, cache)
        self.held_out = np.arange(0, len(read_annotations(data[0], "train")), recipe.holdout_every)

    @cached_property
    def batches(self) -> Batches:
        rest = np.setdiff1d(np.arange(len(self.photos)), self.held_out)
        chosen = np.array([i for i in rest if len(self.photos.annotations[i].boxes)])
        return Batches(self.photos, chosen, self.spec, self.recipe, self.seed)

    def judge(self, network: Detector) -> dict[str, float]:
        """AP on the held-out photos for faces of at least each of holdout_sizes, "ap_16px" and so on."""
        detect = float_detector(network)
        _, height, width = network.spec.input_shape
        predictions, faces, sizes = [], [], []
        for index in map(int, self.held_out):
            planes, boxes = as_planes(self.photos.photo(index)), self.photos.annotations[index].boxes
            predictions.append(detect(planes))
            faces.append(boxes)
            scale = min(width / planes.shape[2], height / planes.shape[1])
            sizes.append(np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(1)) * scale)
        return {
            f"ap_{least}px": average_precision(predictions, faces, [s >= least for s in sizes])
            for least in holdout_sizes(network)
        }


def holdout_sizes(network: Detector) -> list[int]:
    """HOLDOUT_SIZES in pixels of a network's own input."""
    return [size * network.spec.input_shape[2] // 320 for size in HOLDOUT_SIZES]


def face_losses(outputs: tuple[Tensor, Tensor], targets: tuple[Tensor, ...], recipe: Recipe) -> dict[str, Tensor]:
    """outputs: offsets (N, A, 4) and scores (N, A, 2); targets: labels (N, A) and offsets (N, A, 4)."""
    (boxes, confidence), (labels, offsets) = outputs, targets
    return {
        "confidence_loss": focal_loss(confidence.float(), labels, recipe),
        "box_loss": box_loss(boxes.float(), labels, offsets),
    }
