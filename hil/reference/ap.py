"""Average precision as WIDER FACE's official evaluation computes it (after its MATLAB and Python tool kits).

Particular to it: scores are scaled to 0..1 over the whole set and cut at 1000 equal steps; boxes count one pixel more
in width and height; faces outside the difficulty are ignored, and so is the first prediction on one; a second
prediction on a counted face is false; photos without any face or prediction are skipped.
"""

from collections.abc import Sequence

import numpy as np

from hil.machine_code import njit

STEPS = 1000
MATCH_IOU = 0.5


def average_precision(
    predictions: Sequence[np.ndarray], faces: Sequence[np.ndarray], counted: Sequence[np.ndarray]
) -> float:
    """AP over a set of photos.

    predictions: (n, 5) x0 y0 x1 y1 score a photo, faces: (m, 4) x0 y0 x1 y1, counted: (m,) bool, true for the faces of
    this difficulty. Returns 0 where there is no counted face or no prediction at all.
    """
    scores = np.concatenate([p[:, 4] for p in predictions]) if len(predictions) else np.zeros(0)
    total = sum(int(c.sum()) for c in counted)
    if total == 0 or scores.size == 0:
        return 0.0
    least, span = scores.min(), max(float(scores.max() - scores.min()), 1e-12)
    thresholds = 1 - (np.arange(STEPS) + 1) / STEPS
    proposed, recalled = np.zeros(STEPS), np.zeros(STEPS)
    for photo, boxes, is_counted in zip(predictions, faces, counted, strict=True):
        if len(photo) == 0 or len(boxes) == 0:
            continue
        photo = photo[np.argsort(-photo[:, 4], kind="stable")].astype(np.float64)
        is_proposal, found = _match_photo(photo[:, :4], boxes.astype(np.float64), is_counted)
        kept = np.searchsorted(-(photo[:, 4] - least) / span, -thresholds, side="right")
        proposed += np.concatenate([[0], np.cumsum(is_proposal)])[kept]
        recalled += np.concatenate([[0], found])[kept]
    precision = np.divide(recalled, proposed, out=np.zeros(STEPS), where=proposed > 0)
    return _area(recalled / total, precision)


def _area(recall: np.ndarray, precision: np.ndarray) -> float:
    """The area under the precision's upper envelope over recall (VOC, all points)."""
    recall = np.concatenate([[0.0], recall, [1.0]])
    envelope = np.maximum.accumulate(np.concatenate([[0.0], precision, [0.0]])[::-1])[::-1]
    return float((np.diff(recall) * envelope[1:]).sum())


@njit(nogil=True)
def _match_photo(predictions, faces, is_counted):  # type: ignore[no-untyped-def]
    """Per prediction, best first: whether it counts as a proposal, and how many counted faces are found up to it."""
    is_proposal = np.ones(len(predictions), np.bool_)
    found = np.zeros(len(predictions), np.int64)
    is_found = np.zeros(len(faces), np.bool_)
    count = 0
    for i in range(len(predictions)):
        x0, y0, x1, y1 = predictions[i]
        best, best_face = 0.0, 0
        for f in range(len(faces)):
            w = min(x1, faces[f, 2]) - max(x0, faces[f, 0]) + 1
            h = min(y1, faces[f, 3]) - max(y0, faces[f, 1]) + 1
            if w <= 0 or h <= 0:
                continue
            area = (x1 - x0 + 1) * (y1 - y0 + 1)
            other = (faces[f, 2] - faces[f, 0] + 1) * (faces[f, 3] - faces[f, 1] + 1)
            iou = w * h / (area + other - w * h)
            if iou > best:
                best, best_face = iou, f
        if best >= MATCH_IOU:
            if not is_counted[best_face]:
                is_proposal[i] = False
            elif not is_found[best_face]:
                is_found[best_face] = True
                count += 1
        found[i] = count
    return is_proposal, found
