"""Learning from another network's outputs (Hinton et al., Distilling the Knowledge in a Neural Network, 2015).

Labels say of an anchor that it is a face or not; a teacher says how much of one it looks like.
"""

from __future__ import annotations

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
        losses = detector_losses(outputs, taught, recipe)
    else:
        losses = {"taught_class_loss": F.cross_entropy(outputs.float(), taught.float().softmax(1))}
    return {name: recipe.teacher_weight * loss for name, loss in losses.items()}


def detector_losses(outputs: tuple[Tensor, Tensor], taught: tuple[Tensor, Tensor], recipe: Recipe) -> dict[str, Tensor]:
    """Quality focal loss (Li et al., Generalized Focal Loss, NeurIPS 2020) and smooth L1, an anchor of a face.

    Both: offsets (N, A, 4) and confidence (N, A, 2). The teacher's scores say how much of a face's an anchor is.
    """
    (boxes, confidence), (taught_boxes, taught_confidence) = outputs, taught
    score = taught_confidence.float().softmax(-1)[..., 1]
    margin = (confidence[..., 1] - confidence[..., 0]).float()
    distance = (margin.sigmoid() - score).abs().pow(recipe.focal_gamma)
    cross_entropy = F.binary_cross_entropy_with_logits(margin, score, reduction="none")
    offset = F.smooth_l1_loss(boxes.float(), taught_boxes.float(), reduction="none").sum(-1)
    faces = score.sum().clamp(min=1)
    return {
        "taught_confidence_loss": (distance * cross_entropy).sum() / faces,
        "taught_box_loss": (score * offset).sum() / faces,
    }
