"""A float network as a detector of whole photos."""

from collections.abc import Callable

import numpy as np
import torch

from hil.reference.boxes import detections
from hil.reference.image import letterbox
from hil.reference.networks import Detector

# A photo, uint8 (C, H, W) of any size, to (n, 5) x0 y0 x1 y1 score in the photo's pixels.
Detect = Callable[[np.ndarray], np.ndarray]


def float_detector(network: Detector, score_threshold: float = 0.02, nms_iou: float | None = None) -> Detect:
    """The network in floating point on letterboxed photos, with its own NMS limit unless one is given."""
    network.eval()

    def detect(photo: np.ndarray) -> np.ndarray:
        planes, placement = letterbox(photo, network.spec)
        with torch.inference_mode():
            offsets, confidence = network(network.normalise(torch.from_numpy(planes)[None]))
        boxes = detections(offsets[0].numpy(), confidence[0].numpy(), network.spec, score_threshold, nms_iou)
        return placement.to_photo(boxes)

    return detect
