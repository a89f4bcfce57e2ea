"""From the device to the float model by a way that shares nothing with the compiler: the network's specification alone.

What leaves a network is int16 in a fixed format (docs/decisions.md). Here it becomes real numbers again, is laid beside
the float model's outputs, and is decoded by the float decoder, whose boxes are laid beside the device's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from hil.bench.compare import CONFIDENT, OVERLAP, Boxes, iou
from hil.reference.boxes import detections
from hil.reference.networks import Detector, DetectorSpec

OFFSET, SCORE = 2.0**-10, 2.0**-8  # what a unit of an output is worth
HAIR = 1e-5
TWIN_OVERLAP, TWIN_SCORE = 0.99, 0.001  # two boxes are one, but for rounding in the decoder


@dataclass(frozen=True)
class Outputs:
    """A detector's outputs for an image: offsets (A, 4) and scores (A, 1 + classes), the background's first."""

    offsets: NDArray[np.floating]
    scores: NDArray[np.floating]

    @property
    def margins(self) -> NDArray[np.floating]:
        """Class minus background, the logits of the scores: (A, classes)."""
        margins: NDArray[np.floating] = self.scores[:, 1:] - self.scores[:, :1]
        return margins


@dataclass(frozen=True)
class Head:
    """Where in the device's tensors a source's outputs lie: int16 maps (h, w, channels) and their first channels."""

    offsets: NDArray[np.int16]
    first_offset: int
    scores: NDArray[np.int16]
    first_score: int


def float_outputs(network: Detector, pixels: NDArray[np.uint8]) -> Outputs:
    """The float model's outputs for an image, (H, W, C) uint8."""
    import torch

    with torch.no_grad():
        image = network.normalise(torch.from_numpy(pixels).permute(2, 0, 1)[None])
        offsets, scores = network(image)
    return Outputs(offsets[0].numpy(), scores[0].numpy())


def device_outputs(heads: Sequence[Head], spec: DetectorSpec) -> Outputs:
    """The device's outputs as real numbers; of several background scores the largest counts (max-out)."""
    offsets, scores, classes = [], [], len(spec.classes)
    for head, background in zip(heads, spec.background, strict=True):
        offsets.append(head.offsets[..., head.first_offset :][..., :4].reshape(-1, 4) * OFFSET)
        said = (
            head.scores[..., head.first_score :][..., : background + classes].reshape(-1, background + classes) * SCORE
        )
        scores.append(np.concatenate([said[:, :background].max(1, keepdims=True), said[:, background:]], 1))
    return Outputs(np.concatenate(offsets), np.concatenate(scores))


def as_candidates(outputs: Outputs) -> Outputs:
    """The device's outputs with the offsets of its candidates, which it keeps in 8 bits: multiples of 1/16, -8 to 8."""
    return replace(outputs, offsets=(np.floor(outputs.offsets * 16 + 0.5) / 16).clip(-8, 127 / 16))


def decoded(outputs: Outputs, spec: DetectorSpec, *, as_device: bool = False) -> Boxes:
    """Boxes by the network's own rules; as_device: with no more of them than a device can keep."""
    if as_device:
        candidates = min(spec.candidates, spec.device_candidates)
        spec = replace(spec, candidates=candidates, detections=min(spec.detections, spec.device_detections))
    return detections(outputs.offsets, outputs.scores, spec)


def candidates(outputs: Outputs, spec: DetectorSpec) -> Boxes:
    """Every box that could be the counterpart of a confident one: before suppression, from half of that score on.

    Of two boxes that nearly tie each side may keep another one. That each suppresses by the rules is `differing`'s.
    """
    all_of_them = outputs.margins.size
    return decoded(
        outputs,
        replace(spec, score_threshold=CONFIDENT / 2, nms_iou=1.0, candidates=all_of_them, detections=all_of_them),
    )


def differing(device: Boxes, outputs: Outputs, spec: DetectorSpec) -> int:
    """How many boxes the network's own rules do not make of the device's outputs, or the device does not.

    Two boxes may overlap by the limit of suppression but for rounding: then a limit that is a hair off makes its boxes.
    """
    read = as_candidates(outputs)
    found = without_twin(device, decoded(read, spec, as_device=True))
    for hair in (-HAIR, HAIR) if found else ():
        off = replace(spec, nms_iou=spec.nms_iou * (1 + hair))
        found = min(found, without_twin(device, decoded(read, off, as_device=True)))
    return found + out_of_order(device)


def without_twin(boxes: Boxes, others: Boxes) -> int:
    """How many boxes of either side are not on the other one too, but for rounding; each is the twin of one."""
    if not len(boxes) or not len(others):
        return len(boxes) + len(others)
    is_twin = (iou(boxes, others) >= TWIN_OVERLAP) & (abs(boxes[:, None, 4] - others[None, :, 4]) <= TWIN_SCORE)
    one, other = linear_sum_assignment(is_twin, maximize=True)
    return len(boxes) + len(others) - 2 * int(is_twin[one, other].sum())


def out_of_order(boxes: Boxes) -> int:
    """How many boxes have a higher score than the one before them, but for rounding: the best comes first."""
    return int((np.diff(boxes[:, 4]) > HAIR).sum())


def offset_error(device: Outputs, floating: Outputs, score_threshold: float) -> float:
    """Root mean square of the offsets' differences: of those that the decoder reads, and of any others that are made.

    A device may leave offsets at 0 where the score does not pass the network's threshold.
    """
    is_read = (device.margins > np.log(score_threshold / (1 - score_threshold))).any(1)
    is_made = is_read | device.offsets.any(1)
    return float(np.sqrt(np.square((device.offsets - floating.offsets)[is_made]).mean())) if is_made.any() else 0.0


def score_error(device: Outputs, floating: Outputs) -> float:
    """Root mean square of the differences of class minus background."""
    return float(np.sqrt(np.square(device.margins - floating.margins).mean()))


def count_distance(boxes: Boxes, others: Boxes) -> float:
    """How far apart two numbers of boxes are, in units of what chance makes of them: |a - b| / sqrt(a + b + 1)."""
    return abs(len(boxes) - len(others)) / float(np.sqrt(len(boxes) + len(others) + 1))


def score_distance(boxes: Boxes, others: Boxes) -> float | None:
    """The largest difference in score of a confident box of either side and its counterpart; None without any."""
    found = []
    for one, two in ((boxes, others), (others, boxes)):
        confident = one[one[:, 4] >= CONFIDENT]
        if len(confident) and len(two):
            shared = iou(confident, two)
            best, matched = shared.argmax(1), shared.max(1) >= OVERLAP
            found += list(abs(confident[matched, 4] - two[best[matched], 4]))
    return float(max(found)) if found else None
