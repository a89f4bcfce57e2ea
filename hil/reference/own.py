"""Networks of one's own: any PyTorch module, with what the bench has to know about it.

A file has a function without arguments that returns one of these three, and `--network mine.py:make` names it:

    def make():
        return classifier(MyModule(), "my_network", (3, 96, 128), classes=("cat", "dog", "neither"))
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hil.errors import HilError
from hil.reference.classifiers import Classifier, ClassifierSpec
from hil.reference.networks import Detector, DetectorSpec, Source

MEAN, SCALE = 127.5, 1 / 127.5  # of a channel where none is given: levels become -1 to 1
CHANNELS = (1, 3)  # grey and RGB


@dataclass(frozen=True)
class TensorSpec:
    """What is fixed about a network whose results are plain tensors.

    outputs: their names in the order in which `forward` returns them. input_shape: (C, H, W); network input =
    (uint8 - input_mean) * input_scale, a value a channel. Photos are letterboxed.
    """

    name: str
    outputs: tuple[str, ...]
    input_shape: tuple[int, int, int]
    input_mean: tuple[float, ...]
    input_scale: tuple[float, ...]


class OwnClassifier(Classifier):
    """A classifier around a module that gives logits, (N, classes)."""

    def __init__(self, network: nn.Module, spec: ClassifierSpec) -> None:
        nn.Module.__init__(self)
        self.network, self.spec = network, spec

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) of normalised images (N, C, H, W)."""
        logits: Tensor = self.network(x)
        return logits


class OwnDetector(Detector):
    """A detector around a module that gives a pair of maps for each source: 4 offsets, and scores."""

    def __init__(self, network: nn.Module, spec: DetectorSpec) -> None:
        nn.Module.__init__(self)
        self.network, self.spec = network, spec

    def maps(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """As Detector.maps."""
        found: list[tuple[Tensor, Tensor]] = self.network(x)
        return found


class Tensors(nn.Module):
    """A network around a module that gives a map, (N, C, H, W) or (N, C), or several."""

    def __init__(self, network: nn.Module, spec: TensorSpec) -> None:
        super().__init__()
        self.network, self.spec = network, spec

    def forward(self, x: Tensor) -> Any:
        """The module's output for normalised images (N, C, H, W)."""
        return self.network(x)

    def normalise(self, image: Tensor) -> Tensor:
        """uint8 (N, C, H, W) to the network's float32 input."""
        mean, scale = (torch.tensor(v).view(1, -1, 1, 1) for v in (self.spec.input_mean, self.spec.input_scale))
        return (image.float() - mean.to(image.device)) * scale.to(image.device)


def classifier(
    network: nn.Module,
    name: str,
    input_shape: tuple[int, int, int],
    classes: Sequence[str],
    *,
    input_mean: Sequence[float] | None = None,
    input_scale: Sequence[float] | None = None,
    shorter_side: int | None = None,
) -> OwnClassifier:
    """A module that gives a logit for each of the classes, by their names.

    input_shape: (C, H, W), C = 1 (grey) or 3 (RGB). Network input = (uint8 - input_mean) * input_scale, a value a
    channel; levels become -1 to 1 without. Of a photo that is fitted the centre is taken, once its shorter side is
    shorter_side pixels (the larger one of the input's without). Raises HilError where the module gives something else.
    """
    _check_name(name)
    side = shorter_side or max(input_shape[1:])
    mean, scale = _levels(input_shape, input_mean, input_scale)
    own = OwnClassifier(network, ClassifierSpec(name, (), _kinds(name, classes), input_shape, mean, scale, side))
    found = _try(own.eval(), name)
    if not isinstance(found, Tensor) or found.shape != (1, len(classes)):
        raise HilError(f"{name} gives {_described(found)} for one image, expected {len(classes)} logits, one a class")
    return own


def detector(
    network: nn.Module,
    name: str,
    input_shape: tuple[int, int, int],
    priors: Sequence[Source],
    *,
    input_mean: Sequence[float] | None = None,
    input_scale: Sequence[float] | None = None,
    score_threshold: float = 0.3,
    nms_iou: float = 0.3,
    candidates: int = 400,
    detections: int = 200,
    variances: tuple[float, float] = (0.1, 0.2),
    classes: Sequence[str] = ("object",),
    weighted_nms: bool = False,
) -> OwnDetector:
    """A module that gives (offsets, scores) for each of `priors`, in a list.

    A Source says how far its square priors are apart (step) and how large they are (size), in pixels of the input, and
    how many scores of the background precede those of the classes. Offsets are (N, 4, h, w), scores (N, background +
    classes, h, w); h and w are the input's size divided by the step, rounded up. A box's score is its class's against
    the background: 1 / (1 + exp(background - class)). Several sizes at one place are several Sources.
    weighted_nms: a box moves to the mean of itself and of those that it suppresses, and its score rises with them
    (`hil.reference.boxes.nms`).
    Raises HilError where the module gives something else.
    """
    _check_name(name)
    mean, scale = _levels(input_shape, input_mean, input_scale)
    spec = DetectorSpec(
        name,
        tuple(priors),
        input_shape,
        mean,
        scale,
        score_threshold,
        nms_iou,
        candidates,
        detections,
        variances,
        _kinds(name, classes),
        weighted_nms=weighted_nms,
    )
    own = OwnDetector(network, spec)
    found = _try(own.eval(), name, "maps")
    if not isinstance(found, list | tuple) or len(found) != len(spec.sources):
        raise HilError(f"{name} gives {_described(found)}, expected a list of {len(spec.sources)} pairs, one a Source")
    for i, (pair, source, size) in enumerate(zip(found, spec.sources, spec.map_sizes, strict=True)):
        wanted = [(1, channels, *size) for channels in (4, source.background + len(classes))]
        if [tuple(part.shape) for part in pair] != wanted:
            raise HilError(f"{name} gives {_described(pair)} for Source {i}, expected {wanted}: step {source.step}?")
    return own


def tensors(
    network: nn.Module,
    name: str,
    input_shape: tuple[int, int, int],
    outputs: Sequence[str] = ("output",),
    *,
    input_mean: Sequence[float] | None = None,
    input_scale: Sequence[float] | None = None,
) -> Tensors:
    """A module that gives a tensor, or one for each of the names in `outputs`: any task at all.

    Raises HilError where it gives another number of them.
    """
    _check_name(name)
    mean, scale = _levels(input_shape, input_mean, input_scale)
    own = Tensors(network, TensorSpec(name, tuple(outputs), input_shape, mean, scale))
    found = _try(own.eval(), name)
    count = len(found) if isinstance(found, list | tuple) else 1
    if count != len(outputs):
        raise HilError(f"{name} gives {count} tensors, expected {len(outputs)} ({', '.join(outputs)})")
    return own


def _levels(
    shape: Sequence[int], mean: Sequence[float] | None, scale: Sequence[float] | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if len(shape) != 3 or shape[0] not in CHANNELS or min(shape) < 1:
        raise HilError(f"the input's shape is {tuple(shape)}, expected (1 or 3, height, width): a grey or an RGB image")
    channels = shape[0]
    means = tuple(map(float, mean)) if mean is not None else (MEAN,) * channels
    scales = tuple(map(float, scale)) if scale is not None else (SCALE,) * channels
    if len(means) != channels or len(scales) != channels or not all(map(math.isfinite, (*means, *scales))):
        raise HilError(f"input_mean and input_scale must have a number for each of the {channels} channels")
    if not all(0 <= m <= 255 for m in means) or not all(s > 0 for s in scales):
        raise HilError(
            "input_mean is subtracted from levels of 0 to 255, and input_scale is what they are multiplied by"
        )
    return means, scales


def _kinds(name: str, classes: Sequence[str]) -> tuple[str, ...]:
    kinds = tuple(classes)
    if (
        isinstance(classes, str)
        or not kinds
        or len(set(kinds)) != len(kinds)
        or not all(isinstance(k, str) for k in kinds)
    ):
        raise HilError(f"{name}: classes are different names, one or more, not {classes!r}")
    return kinds


def _check_name(name: str) -> None:
    if not (name and name[0].isalpha() and all(c.isalnum() or c == "_" for c in name) and len(name) <= 40):
        raise HilError(f"a network cannot be called {name[:50]!r}: letters, digits and _, at most 40, a letter first")


@torch.no_grad()
def _try(own: Any, name: str, method: str = "forward") -> Any:
    """What a network gives for a grey image. Raises HilError where it cannot take one of that size."""
    channels, height, width = own.spec.input_shape
    try:
        return getattr(own, method)(torch.zeros(1, channels, height, width))
    except HilError:
        raise
    except Exception as error:  # whatever the module's own code raises
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise HilError(f"{name} does not take images of {width}x{height}x{channels}: {reason}") from error


def _described(found: Any) -> str:
    if isinstance(found, Tensor):
        return f"a tensor of {tuple(found.shape)}"
    if isinstance(found, list | tuple):
        return f"{len(found)} values ({', '.join(_described(part) for part in found[:3])})"
    return f"a {type(found).__name__}"
