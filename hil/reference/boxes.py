"""From head outputs to boxes in floating point: priors, decoding, scores, non-maximum suppression.

The rules are those of the published code (EdgeML face detection, after S3FD). The device decodes in float32 by its own
exact rules in hil.compiler; this is what it is compared with box by box.
"""

from functools import cache

import numpy as np

from hil.machine_code import njit
from hil.reference.networks import DetectorSpec


@cache
def priors(spec: DetectorSpec) -> np.ndarray:
    """All anchors, (A, 4) float32 cx cy w h in input pixels: sources in order, cells in row-major order. Read-only."""
    parts = []
    for (rows, columns), step, size in zip(spec.map_sizes, spec.steps, spec.sizes, strict=True):
        y, x = np.mgrid[:rows, :columns]
        edges = np.full(x.shape, size)
        parts.append(np.stack([(x + 0.5) * step, (y + 0.5) * step, edges, edges], -1).reshape(-1, 4))
    anchors = np.concatenate(parts).astype(np.float32)
    anchors.setflags(write=False)  # shared by everyone who asks
    return anchors


def decode(offsets: np.ndarray, anchors: np.ndarray, variances: tuple[float, float]) -> np.ndarray:
    """Offsets (..., A, 4) to corners (..., A, 4) x0 y0 x1 y1 in input pixels, unclipped."""
    centres = anchors[:, :2] + variances[0] * offsets[..., :2] * anchors[:, 2:]
    sizes = anchors[:, 2:] * np.exp(variances[1] * offsets[..., 2:])
    return np.concatenate([centres - sizes / 2, centres + sizes / 2], -1)


def face_scores(confidence: np.ndarray) -> np.ndarray:
    """Softmax probability of "face" from (..., 2) scores (background, face)."""
    return class_scores(confidence)[..., 0]


def class_scores(confidence: np.ndarray) -> np.ndarray:
    """Each class against the background alone: (..., classes) in 0..1, of (..., 1 + classes), the background first."""
    margin = (confidence[..., :1] - confidence[..., 1:]).clip(-80, 80)
    return 1 / (1 + np.exp(margin))


def detections(
    offsets: np.ndarray,
    confidence: np.ndarray,
    spec: DetectorSpec,
    score_threshold: float | None = None,
    nms_iou: float | None = None,
) -> np.ndarray:
    """One image's boxes: (n, 5) float32 x0 y0 x1 y1 score, best first, in input pixels.

    Of a spec with several classes (n, 6), the class's number last; each is suppressed by its own.
    offsets: (A, 4), confidence: (A, 1 + classes). Keeps scores strictly above the threshold (the spec's where none is
    given), the spec's number of candidates, those that NMS keeps, and the spec's number of detections.
    """
    scores = class_scores(confidence).ravel()
    chosen = np.flatnonzero(scores > (spec.score_threshold if score_threshold is None else score_threshold))
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")][: spec.candidates]
    cells, labels = np.divmod(chosen, len(spec.classes))
    boxes = decode(offsets[cells], priors(spec)[cells], spec.variances)
    limit = spec.nms_iou if nms_iou is None else nms_iou
    kept = np.zeros(len(boxes), np.bool_)
    for label in range(len(spec.classes)):
        kept[labels == label] = nms(np.ascontiguousarray(boxes[labels == label], np.float32), limit)
    columns = [boxes, scores[chosen, None], labels[:, None]][: 2 if len(spec.classes) == 1 else 3]
    return np.concatenate(columns, 1)[kept][: spec.detections].astype(np.float32)


@njit(nogil=True)
def nms(boxes, iou):  # type: ignore[no-untyped-def]
    """Greedy non-maximum suppression of (n, 4) boxes, best first: (n,) bool, false where a kept box overlaps more."""
    kept = np.ones(len(boxes), np.bool_)
    for i in range(len(boxes)):
        if not kept[i]:
            continue
        x0, y0, x1, y1 = boxes[i]
        area = (x1 - x0) * (y1 - y0)
        for j in range(i + 1, len(boxes)):
            if not kept[j]:
                continue
            w = min(x1, boxes[j, 2]) - max(x0, boxes[j, 0])
            h = min(y1, boxes[j, 3]) - max(y0, boxes[j, 1])
            if w > 0 and h > 0:
                other = (boxes[j, 2] - boxes[j, 0]) * (boxes[j, 3] - boxes[j, 1])
                if w * h > iou * (area + other - w * h):
                    kept[j] = False
    return kept
