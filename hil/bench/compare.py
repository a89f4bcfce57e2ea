"""The device's tensors and boxes against the references': bit by bit, and by overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]  # (n, 5): x0 y0 x1 y1 score; (n, 6) where there are several classes, its number last
CONFIDENT = 0.5  # boxes from this score on must have a counterpart in the float model
OVERLAP = 0.3  # IoU from which two boxes are the same face: what non-maximum suppression takes for one


@dataclass(frozen=True)
class Divergence:
    """Where a layer's output first differs from the integer reference: (row, column, channel), and how much of it.

    state: where it is not the output but something inside the layer, or what the layer reads.
    """

    layer: str
    row: int
    column: int
    channel: int
    device: int
    reference: int
    differing: int
    values: int
    state: str | None = None

    def __str__(self) -> str:
        where = self.layer if self.state is None else f"{self.layer} ({self.state})"
        return (
            f"{where} differs first at row {self.row}, column {self.column}, channel {self.channel}: "
            f"device {self.device}, reference {self.reference} ({self.differing} of {self.values} values differ)"
        )


def first_difference(tensor: str, device: NDArray[np.integer], reference: NDArray[np.integer]) -> Divergence | None:
    """The first differing value of two (H, W, C) tensors, in the order in which the device makes them."""
    where = np.argwhere(device != reference)
    if not len(where):
        return None
    row, column, channel = (int(i) for i in where[0])
    index = (row, column, channel)
    layer, _, state = tensor.partition(".")
    values = int(device[index]), int(reference[index])
    return Divergence(layer, *index, *values, len(where), reference.size, state or None)


def differing_boxes(device: Boxes, reference: Boxes) -> int:
    """How many boxes are not bit-identical (order counts), missing and surplus ones included."""
    shared = min(len(device), len(reference))
    same = device[:shared].view(np.uint32) == reference[:shared].view(np.uint32)
    return int((~same.all(axis=1)).sum()) + abs(len(device) - len(reference))


def iou(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Intersection over union of every box of a with every box of b: (len(a), len(b)); 0 between two classes."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:4], b[None, :, 2:4])
    overlap = np.clip(high - low, 0, None).prod(axis=2)
    areas_a, areas_b = ((x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1]) for x in (a, b))
    union = areas_a[:, None] + areas_b[None, :] - overlap
    shared = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    return shared * (a[:, None, 5:] == b[None, :, 5:]).all(axis=2)


def unmatched(boxes: Boxes, others: Boxes) -> int:
    """How many confident boxes of one side overlap no box of the other by OVERLAP."""
    confident = boxes[boxes[:, 4] >= CONFIDENT]
    if not len(others):
        return len(confident)
    return int((iou(confident, others).max(axis=1) < OVERLAP).sum())


def largest_distance(boxes: Boxes, others: Boxes) -> float | None:
    """1 - IoU of the worst confident box with its counterpart; None where no confident box has one."""
    confident = boxes[boxes[:, 4] >= CONFIDENT]
    if not len(confident) or not len(others):
        return None
    best = iou(confident, others).max(axis=1)
    matched = best[best >= OVERLAP]
    return float(1 - matched.min()) if len(matched) else None
