"""From head outputs to boxes exactly as the firmware does it (kernels/detect.c).

Every float operation is one IEEE single-precision operation in the firmware's order, and exp is a polynomial of our own
rather than the C library's, so boxes and scores agree bit for bit on every target.
"""

from __future__ import annotations

import numpy as np

from hil.compiler.integer import Trace
from hil.compiler.quantised.formats import CANDIDATE_LOC_BITS, CONF_BITS, LOC_BITS
from hil.compiler.quantised.graph import Detector, QuantisedGraph, Source

F = np.float32
_POLYNOMIAL = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)


def detect(graph: QuantisedGraph, trace: Trace) -> np.ndarray:
    """Boxes of one image, best first: float32 (n, 5) rows x0, y0, x1, y1 in input pixels, and score in 0..1.

    Of a detector of several classes (n, 6), the class's number last; a classifier has none: (0, 5).
    trace: of `hil.compiler.integer.run`.
    """
    if graph.detector is None:
        return np.zeros((0, 5), F)
    return boxes(graph.detector, trace)


def boxes(detector: Detector, trace: Trace) -> np.ndarray:
    """Collects candidates above the threshold, keeps the best, decodes and suppresses."""
    found = []
    first_anchor = 0
    for source in detector.sources:
        found.append(_collect(source, trace, detector, first_anchor))
        first_anchor += trace[source.loc].shape[0] * trace[source.loc].shape[1] * detector.classes
    candidates = np.concatenate(found)
    order = np.lexsort((candidates[:, 1], -candidates[:, 0]))[: detector.candidates]
    decoded = np.array([_decode(detector, trace, *map(int, row)) for row in candidates[order]], F)
    decoded = decoded.reshape(-1, 6)[:, : detector.columns]
    return suppress(decoded, detector.nms_iou, detector.detections, detector.weighted_nms)


def _collect(source: Source, trace: Trace, detector: Detector, first_anchor: int) -> np.ndarray:
    """(n, 2) int64: score difference (CONF_BITS) and anchor number of the anchors above the threshold.

    A cell has an anchor for each class.
    """
    scores = trace[source.conf][..., source.conf_channel :].astype(np.int64)
    background, classes = np.split(scores[..., : source.background + detector.classes], [source.background], -1)
    difference = (classes - background.max(-1, keepdims=True)).ravel()
    anchors = np.flatnonzero(difference > detector.threshold)
    return np.stack([difference[anchors], anchors + first_anchor], 1)


def _decode(detector: Detector, trace: Trace, difference: int, anchor: int) -> tuple[np.float32, ...]:
    """One candidate's corners, score and class."""
    for source in detector.sources:
        height, width = trace[source.loc].shape[:2]
        if anchor < height * width * detector.classes:
            break
        anchor -= height * width * detector.classes
    cell, label = divmod(anchor, detector.classes)
    row, column = divmod(cell, width)
    loc = trace[source.loc][row, column, source.loc_channel : source.loc_channel + 4]
    dx, dy, dw, dh = (F(v) * F(2.0**-CANDIDATE_LOC_BITS) for v in _kept(loc))
    centre, scale = (F(v) for v in detector.variances)
    size = F(source.size)
    cx = (F(column) + F(0.5)) * F(source.step) + dx * centre * size
    cy = (F(row) + F(0.5)) * F(source.step) + dy * centre * size
    half_w, half_h = (size * exponential(d * scale) * F(0.5) for d in (dw, dh))
    score = F(1) / (F(1) + exponential(F(-difference) * F(2.0**-CONF_BITS)))
    return cx - half_w, cy - half_h, cx + half_w, cy + half_h, score, F(label)


def _kept(loc: np.ndarray) -> np.ndarray:
    """Offsets as a candidate keeps them, rounded to 8 bits."""
    shift = LOC_BITS - CANDIDATE_LOC_BITS
    rounded = (loc.astype(np.int32) + (1 << (shift - 1))) >> shift
    return rounded.clip(-128, 127)


def exponential(x: np.float32) -> np.float32:
    """e^x in single precision, within 2 units in the last place; x is clamped to -87..88 (Cephes' reduction)."""
    x = min(max(x, F(-87)), F(88))
    n = np.floor(x * F(1.44269504) + F(0.5))
    r = x - n * F(0.693359375)
    r = r - n * F(-2.12194440e-4)
    p = F(_POLYNOMIAL[0])
    for coefficient in _POLYNOMIAL[1:]:
        p = p * r + F(coefficient)
    y = p * (r * r) + r + F(1)
    return y * np.int32((int(n) + 127) << 23).view(F)


def suppress(decoded: np.ndarray, threshold: float, most: int, is_weighted: bool = False) -> np.ndarray:
    """Greedy non-maximum suppression of boxes in falling order of score; keeps at most so many, with IoU <= threshold.

    Boxes of different classes leave each other alone. is_weighted: a kept box is drawn towards each that it is the
    first to suppress, to the mean of all of them, weighted by the square of score times overlap; its score's odds then
    rise by the root of all the weight over its own score, and the boxes are sorted again.
    """
    kept = np.empty((most, decoded.shape[1]), F)
    weights = np.empty(most, F)
    count = 0
    for box in decoded:
        if count == most:
            break
        others = kept[:count]
        width = np.minimum(others[:, 2], box[2]) - np.maximum(others[:, 0], box[0])
        height = np.minimum(others[:, 3], box[3]) - np.maximum(others[:, 1], box[1])
        shared = width * height
        union = _areas(others) + _areas(box) - shared
        is_same = (others[:, 5:] == box[5:]).all(-1)
        suppressors = np.flatnonzero(is_same & (width > 0) & (height > 0) & (shared > F(threshold) * union))
        if not len(suppressors):
            kept[count], weights[count] = box, box[4] * box[4]
            count += 1
        elif is_weighted:
            k = suppressors[0]
            pull = box[4] * (shared[k] / union[k])
            added = pull * pull
            weights[k] += added
            kept[k, :4] += (box[:4] - kept[k, :4]) * (added / weights[k])
    return _raised(kept[:count], weights[:count]) if is_weighted else kept[:count]


def _raised(kept: np.ndarray, weights: np.ndarray) -> np.ndarray:
    roots = np.sqrt(weights)
    kept[:, 4] = roots / (roots + (F(1) - kept[:, 4]))
    return kept[np.argsort(-kept[:, 4], kind="stable")]


def _areas(boxes: np.ndarray) -> np.ndarray:
    areas: np.ndarray = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    return areas
