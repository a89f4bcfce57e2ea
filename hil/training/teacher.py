"""Learning from another network's outputs (Hinton et al., Distilling the Knowledge in a Neural Network, 2015).

Labels say of an anchor that it is a face or not; a teacher says how much of one it looks like.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hil.errors import HilError
from hil.reference import weights
from hil.reference.catalogue import Network, Spec
from hil.reference.networks import DetectorSpec
from hil.training.device import Device
from hil.training.recipe import Recipe

FACE = 0.3  # the teacher's score from which on an anchor is a face's
# What two networks have in common where the outputs of one mean what those of the other do
COMMON = ("input_shape", "input_mean", "input_scale", "classes", "steps", "sizes", "variances")


def load_teacher(checkpoint: Path, spec: Spec, device: Device) -> Network:
    """The network of a checkpoint, at rest, to teach one of spec. Raises HilError where its outputs are others."""
    teacher = weights.load(checkpoint)
    if any(getattr(teacher.spec, name, None) != getattr(spec, name, None) for name in COMMON):
        raise HilError(f"{checkpoint} is a {teacher.spec.name}, whose inputs and outputs are not a {spec.name}'s")
    return teacher.to(device.name, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def taught_losses(teacher: Network, inputs: Tensor, outputs: Any, recipe: Recipe, device: Device) -> dict[str, Tensor]:
    """The losses of the outputs against the teacher's for the same inputs, by name, times recipe.teacher_weight."""
    with torch.no_grad(), device.mixed():
        taught = teacher(inputs)
    if isinstance(teacher.spec, DetectorSpec):
        losses = detector_losses(outputs, taught)
    else:
        losses = {"taught_class_loss": F.cross_entropy(outputs.float(), taught.float().softmax(1))}
    return {name: recipe.teacher_weight * loss for name, loss in losses.items()}


def detector_losses(outputs: tuple[Tensor, Tensor], taught: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """Kullback-Leibler divergence of all scores and smooth L1 of the faces' offsets, an anchor of a face.

    Both: offsets (N, A, 4) and confidence (N, A, 2). A focal factor, as labels have it, would be the square of a small
    difference: the scores would be left as they are. An anchor is a face's where the teacher's score reaches FACE.
    """
    (boxes, confidence), (taught_boxes, taught_confidence) = outputs, taught
    log_scores, taught_log_scores = (each.float().log_softmax(-1) for each in (confidence, taught_confidence))
    is_face = taught_log_scores[..., 1] > math.log(FACE)
    faces = is_face.sum().clamp(min=1)
    divergence = F.kl_div(log_scores, taught_log_scores, reduction="sum", log_target=True)
    offset = F.smooth_l1_loss(boxes.float()[is_face], taught_boxes.float()[is_face], reduction="sum")
    return {"taught_confidence_loss": divergence / faces, "taught_box_loss": offset / faces}
