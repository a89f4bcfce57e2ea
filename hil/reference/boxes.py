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
    found = np.concatenate([boxes, scores[chosen, None], labels[:, None]], 1).astype(np.float32)
    limit = spec.nms_iou if nms_iou is None else nms_iou
    return nms(found, limit, spec.detections, spec.weighted_nms)[:, : 5 if len(spec.classes) == 1 else 6]


@njit(nogil=True)
def nms(boxes, iou, most, is_weighted):  # type: ignore[no-untyped-def]
    """Greedy non-maximum suppression of (n, 6) float32 x0 y0 x1 y1 score class, best first: (m, 6), m <= most.

    A box is left out where a kept one of its class overlaps it by more than iou. is_weighted: the first that does then
    moves to the mean of all that it has suppressed and itself, weighted by the square of score times overlap
    (after the blending of BlazeFace: Bazarevsky et al., 2019). In the end its score's odds rise by the root of all that
    weight over the score, for a face is seen by many anchors and a mistake by few, and the boxes are sorted again.
    """
    kept = np.empty((most, 6), np.float32)
    weights = np.empty(most, np.float32)
    count = 0
    for i in range(len(boxes)):
        if count == most:
            break
        box, shared, union = boxes[i], np.float32(0), np.float32(1)
        area = (box[2] - box[0]) * (box[3] - box[1])
        k = 0
        while k < count:
            other = kept[k]
            w = min(other[2], box[2]) - max(other[0], box[0])
            h = min(other[3], box[3]) - max(other[1], box[1])
            if w > 0 and h > 0 and other[5] == box[5]:
                shared = w * h
                union = (other[2] - other[0]) * (other[3] - other[1]) + area - shared
                if shared > iou * union:
                    break
            k += 1
        if k == count:
            kept[k] = box
            weights[k] = box[4] ** 2
            count += 1
        elif is_weighted:
            added = (box[4] * shared / union) ** 2
            weights[k] += added
            kept[k, :4] += (box[:4] - kept[k, :4]) * (added / weights[k])
    if not is_weighted:
        return kept[:count]
    roots = np.sqrt(weights[:count])
    kept[:count, 4] = roots / (roots + (1 - kept[:count, 4]))
    return kept[np.argsort(-kept[:count, 4], kind="mergesort")]
