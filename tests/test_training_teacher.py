"""Learning from a teacher: its outputs are a loss of their own, and one with other outputs is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hil import zoo
from hil.errors import HilError
from hil.reference import weights
from hil.reference.catalogue import build
from hil.training.loop import Training, begin, step
from hil.training.plot import plot_history
from hil.training.recipe import Recipe
from hil.training.teacher import detector_losses

M4 = "rnnpool_face_m4"
FRONT = "vww_mobilenet_rnnpool"
FAST = replace(Recipe(), images=400, batch=2, warm_up=0.01)


def face_batch() -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    inputs = 128 * torch.randn(2, 1, 120, 160, generator=generator)
    anchors = begin(M4, FAST, 0).network.eval()(inputs)[0].shape[1]
    labels = torch.zeros(2, anchors, dtype=torch.int8)
    labels[:, 7] = 1
    return inputs, labels, torch.zeros(2, anchors, 4)


def taught(training: Training, batch: tuple[torch.Tensor, ...], steps: int) -> list[float]:
    found = [step(training, *batch) for _ in range(steps)]
    return [sum(value for name, value in losses.items() if name.startswith("taught_")) for losses in found]


def test_a_network_comes_nearer_to_its_teacher() -> None:
    training = begin(M4, FAST, 0, teacher=zoo.find(M4))
    assert training.teacher is not None and not training.teacher.training
    distances = taught(training, face_batch(), 12)
    assert distances[-1] < distances[0] / 2


def test_a_teacher_finds_nothing_to_say_of_its_own_outputs() -> None:
    outputs = torch.randn(2, 50, 4), torch.randn(2, 50, 2)
    assert all(loss < 1e-6 for loss in detector_losses(outputs, outputs).values())


def test_its_weight_counts() -> None:
    batch = face_batch()
    (once,), (twice,) = (
        taught(begin(M4, replace(FAST, teacher_weight=weight), 0, teacher=zoo.find(M4)), batch, 1) for weight in (1, 2)
    )
    assert twice == pytest.approx(2 * once)


def test_classifiers_are_taught_classes(tmp_path: Path) -> None:
    teacher = tmp_path / "front.safetensors"
    torch.manual_seed(3)
    weights.save(build(FRONT), teacher, {})
    training = begin(FRONT, FAST, 0, teacher=teacher)
    losses = step(training, torch.randn(2, 3, 224, 224), torch.tensor([0, 1]))
    assert set(losses) == {"class_loss", "taught_class_loss"} and losses["taught_class_loss"] > 0
    before = {"images": 1, "class_loss": 0.7, "accuracy": 0.4}  # without a teacher
    plot_history([before, {"images": 2, **losses, "accuracy": 0.5}], tmp_path / "curve.png")
    with pytest.raises(HilError, match=r"front\.safetensors is a vww_mobilenet_rnnpool, whose inputs and outputs are"):
        begin(M4, FAST, 0, teacher=teacher)
