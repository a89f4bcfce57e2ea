"""Which anchor learns which face (after S3FD, Zhang et al., ICCV 2017: every face gets anchors)."""

import numpy as np

from hil.machine_code import njit
from hil.training.recipe import Recipe

BACKGROUND, FACE, IGNORED = 0, 1, -1


def match(
    priors: np.ndarray, boxes: np.ndarray, is_ignored: np.ndarray, recipe: Recipe, variances: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Labels (A,) int8 and box offsets (A, 4) of all anchors.

    priors: (A, 4) cx cy w h, boxes: (n, 4) x0 y0 x1 y1, both float32 input pixels. An anchor is a face's when their IoU
    reaches match_iou; a face with fewer than least_anchors takes its best free ones above least_iou. Anchors between
    ignore_iou and match_iou, and those over an ignored face (IoU above 0.2), are ignored.
    """
    keep = ((boxes[:, 2] - boxes[:, 0]) > 1) & ((boxes[:, 3] - boxes[:, 1]) > 1)
    boxes = np.ascontiguousarray(boxes[keep], np.float32)
    limits = recipe.match_iou, recipe.ignore_iou, recipe.least_iou
    labels, faces = _match(priors, boxes, is_ignored[keep], *limits, recipe.least_anchors)
    offsets = np.zeros((len(priors), 4), np.float32)
    is_face = labels == FACE
    offsets[is_face] = encode(priors[is_face], boxes[faces[is_face]], variances)
    return labels, offsets


def encode(priors: np.ndarray, boxes: np.ndarray, variances: tuple[float, float]) -> np.ndarray:
    """The offsets (n, 4) from which decoding gives the boxes (the inverse of hil.reference.boxes.decode)."""
    centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    shift = (centres - priors[:, :2]) / (variances[0] * priors[:, 2:])
    return np.concatenate([shift, np.log(sizes / priors[:, 2:]) / variances[1]], 1)


@njit(nogil=True)
def _match(  # type: ignore[no-untyped-def]
    priors, boxes, is_ignored, match_iou, ignore_iou, least_iou, least_anchors
):
    anchors, faces = len(priors), len(boxes)
    labels = np.zeros(anchors, np.int8)
    best_face = np.zeros(anchors, np.int64)
    best_iou = np.zeros(anchors, np.float32)
    counts = np.zeros(faces, np.int64)
    ious = np.zeros((faces, anchors), np.float32)
    for f in range(faces):
        x0, y0, x1, y1 = boxes[f]
        for a in range(anchors):
            half_w, half_h = priors[a, 2] / 2, priors[a, 3] / 2
            w = min(x1, priors[a, 0] + half_w) - max(x0, priors[a, 0] - half_w)
            h = min(y1, priors[a, 1] + half_h) - max(y0, priors[a, 1] - half_h)
            if w <= 0 or h <= 0:
                continue
            iou = w * h / ((x1 - x0) * (y1 - y0) + priors[a, 2] * priors[a, 3] - w * h)
            ious[f, a] = iou
            if is_ignored[f]:
                if iou > 0.2:
                    labels[a] = IGNORED
            elif iou > best_iou[a]:
                best_iou[a] = iou
                best_face[a] = f
    for a in range(anchors):
        if best_iou[a] >= match_iou:
            labels[a] = FACE
            counts[best_face[a]] += 1
        elif best_iou[a] > ignore_iou:
            labels[a] = IGNORED
    for f in range(faces):
        if is_ignored[f]:
            continue
        while counts[f] < least_anchors:
            best, found = least_iou, -1
            for a in range(anchors):
                if labels[a] != FACE and ious[f, a] > best:
                    best, found = ious[f, a], a
            if found < 0:
                break
            labels[found] = FACE
            best_face[found] = f
            counts[f] += 1
    return labels, best_face
