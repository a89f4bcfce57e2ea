"""Multi-scale testing as the RNNPool paper's WIDER FACE figures use it (after S3FD's published test script).

A photo is looked at in its own size, mirrored, at half the size and enlarged to about 1700x1200 pixels; boxes of one
face vote for one. The network is convolutional, so it takes any size; the firmware's is fixed, so this is for
comparison with the paper alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from PIL import Image

from hil.reference.boxes import detections
from hil.reference.detect import Detect
from hil.reference.networks import Detector

MOST_PIXELS = 1700 * 1200
SCORE_THRESHOLD = 0.05
VOTE_IOU = 0.3
MOST_BOXES = 750
SMALL_EDGE, LARGE_EDGE = 100, 30  # pixels: enlarged photos are for faces below the one, shrunk ones for those above


def multi_scale_detector(network: Detector) -> Detect:
    """The network in floating point, at many scales."""
    network.eval()

    def detect(photo: np.ndarray) -> np.ndarray:
        found = [_at_scale(network, photo, *view) for view in _views(photo.shape[1] * photo.shape[2])]
        return vote(np.concatenate(found))

    return detect


def _views(pixels: int) -> Iterator[tuple[float, bool, str]]:
    """(scale, mirrored, which faces to keep) of a photo with so many pixels."""
    largest = (MOST_PIXELS / pixels) ** 0.5
    plain = min(1.0, largest)
    yield plain, False, "all"
    yield plain, True, "all"
    shrunk = 0.5 if largest >= 0.75 else 0.5 * largest
    yield shrunk, False, "large"
    enlarged = min(2.0, largest) if largest > 1 else (shrunk + largest) / 2
    yield enlarged, False, "small" if enlarged > 1 else "large"
    if largest > 2:
        scale = 2 * enlarged
        while scale < largest:
            yield scale, False, "small"
            scale *= 2
        yield largest, False, "small"


def _at_scale(network: Detector, photo: np.ndarray, scale: float, is_mirrored: bool, kept: str) -> np.ndarray:
    """Boxes (n, 5) in pixels of the photo, (C, H, W) uint8."""
    _, height, width = photo.shape
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    resized = [np.asarray(Image.fromarray(p).resize((columns, rows), Image.Resampling.BILINEAR)) for p in photo]
    planes = np.stack([plane[:, ::-1] for plane in resized] if is_mirrored else resized)
    boxes = _detect(network, planes)
    if is_mirrored:
        boxes[:, [0, 2]] = columns - boxes[:, [2, 0]]
    boxes[:, :4] /= np.array([columns / width, rows / height] * 2, np.float32)
    edges = boxes[:, 2:4] - boxes[:, :2] + 1
    if kept == "large":
        return boxes[edges.max(1) > LARGE_EDGE]
    return boxes[edges.min(1) < SMALL_EDGE] if kept == "small" else boxes


def _detect(network: Detector, planes: np.ndarray) -> np.ndarray:
    """Boxes of an image of any size, padded with its mean colour to whole cells of the coarsest map."""
    spec, step = network.spec, max(network.spec.steps)
    channels, rows, columns = planes.shape
    shape = channels, -(-rows // step) * step, -(-columns // step) * step
    padded = np.empty(shape, np.uint8)
    padded[:] = np.array([round(mean) for mean in spec.input_mean], np.uint8)[:, None, None]
    padded[:, :rows, :columns] = planes
    with torch.inference_mode():
        device = next(network.parameters()).device
        offsets, confidence = network(network.normalise(torch.from_numpy(padded)[None].to(device)))
    offsets, confidence = (values[0].cpu().numpy() for values in (offsets, confidence))
    plain = replace(spec, input_shape=shape, weighted_nms=False)  # the script's; its votes come after all scales
    return detections(offsets, confidence, plain, SCORE_THRESHOLD)


def vote(boxes: np.ndarray) -> np.ndarray:
    """One box a face: the mean of all that overlap the best one, weighted by score, with the best score.

    boxes: (n, 5). A box that nothing else overlaps is dropped, as in the published script: a face is seen mirrored too.
    """
    rest = boxes[np.argsort(-boxes[:, 4], kind="stable")].astype(np.float64)
    voted = []
    while len(rest):
        low, high = np.maximum(rest[0, :2], rest[:, :2]), np.minimum(rest[0, 2:4], rest[:, 2:4])
        overlap = np.clip(high - low + 1, 0, None).prod(1)
        areas = (rest[:, 2:4] - rest[:, :2] + 1).prod(1)
        is_same = overlap / (areas[0] + areas - overlap) >= VOTE_IOU
        is_same[0] = True
        group, rest = rest[is_same], rest[~is_same]
        if len(group) > 1:
            voted.append([*np.average(group[:, :4], 0, group[:, 4]), group[:, 4].max()])
    return np.array(voted[:MOST_BOXES], np.float32).reshape(-1, 5)
