"""The Visual Wake Words classifiers: MobileNetV2 0.35 with RNNPool in front, at the end, or at both, as tables.

Channels are those that width 0.35 leaves when they are rounded to multiples of 8 as MobileNetV2 does. The tables follow
microsoft/EdgeML, examples/pytorch/vision/Visual_Wakeword; the one with RNNPool at the end only is of a third party that
trained all three (Jerry-Kwan/RNNPool).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from hil.reference.rows import Conv, LayerRow, Mb, Mean, Pool, add_layers


@dataclass(frozen=True)
class ClassifierSpec:
    """What is fixed about a classifier: its layers, its classes and how a photo becomes its input.

    classes: names in the order of the logits. shorter_side: pixels to which a photo is scaled before the centre of
    input_shape (C, H, W) is cut out. Network input = (uint8 - input_mean) * input_scale, a value a channel (RGB order).
    folders: what the classes' folders of photos are called or begin with, where not as the classes.
    """

    name: str
    rows: tuple[LayerRow, ...]
    classes: tuple[str, ...]
    input_shape: tuple[int, int, int]
    input_mean: tuple[float, ...]
    input_scale: tuple[float, ...]
    shorter_side: int
    folders: tuple[str, ...] = ()


class Classifier(nn.Module):
    """A classifier built from a table: layers by name (conv0, rnnpool, mob0, ...), then a linear one, the logits."""

    def __init__(self, spec: ClassifierSpec) -> None:
        super().__init__()
        self.spec = spec
        self.layers = nn.ModuleDict()
        channels = spec.input_shape[0]
        for row in spec.rows:
            channels = add_layers(self.layers, row, channels)
        self.logits = nn.Linear(channels, len(spec.classes))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) of normalised images (N, C, H, W)."""
        for layer in self.layers.values():
            x = layer(x)
        return self.logits(x.flatten(1))

    def normalise(self, image: Tensor) -> Tensor:
        """uint8 (N, C, H, W) to the network's float32 input."""
        mean = torch.tensor(self.spec.input_mean).view(1, -1, 1, 1)
        scale = torch.tensor(self.spec.input_scale).view(1, -1, 1, 1)
        return (image.float() - mean.to(image.device)) * scale.to(image.device)


MEAN = tuple(255 * mean for mean in (0.485, 0.456, 0.406))  # ImageNet's, RGB
SCALE = tuple(1 / (255 * deviation) for deviation in (0.229, 0.224, 0.225))


def _front(cell: str = "fastgrnn") -> tuple[LayerRow, ...]:
    return tuple(replace(row, cell=cell) if isinstance(row, Pool) else row for row in _FRONT)


_FRONT: tuple[LayerRow, ...] = (
    Conv(8, stride=2),
    Pool(8, 8, patch=6),
    Mb(24, 6, repeat=4, stride=2),
    Mb(32, 6, repeat=3),
    Mb(56, 6, repeat=3, stride=2),
    Mb(112, 6),
    Conv(320, kernel=1),
)
_PLAIN = (
    Conv(32, stride=2),
    Mb(8, 1),
    Mb(8, 6, repeat=2, stride=2),
    Mb(16, 6, repeat=3, stride=2),
    Mb(24, 6, repeat=4, stride=2),
    Mb(32, 6, repeat=3),
    Mb(56, 6, repeat=3, stride=2),
    Mb(112, 6),
    Conv(320, kernel=1),
)
_WHOLE_MAP = Pool(80, 80, patch=7, stride=7, pad=False)  # of 7x7 pixels: one window


def _visual_wake_words(name: str, rows: tuple[LayerRow, ...]) -> ClassifierSpec:
    return ClassifierSpec(
        name=name,
        rows=rows,
        classes=("no person", "person"),
        input_shape=(3, 224, 224),
        input_mean=MEAN,
        input_scale=SCALE,
        shorter_side=256,
    )


_TABLES = (
    _visual_wake_words("vww_mobilenet_rnnpool", (*_FRONT, Mean())),
    _visual_wake_words("vww_mobilenet_2rnnpool", (*_FRONT, _WHOLE_MAP)),
    _visual_wake_words("vww_mobilenet_last_rnnpool", (*_PLAIN, _WHOLE_MAP)),
    # The first with other cells, as the paper's Table 18 has them in a MobileNetV2 for ImageNet-10.
    _visual_wake_words("vww_mobilenet_rnnpool_gru", (*_front("gru"), Mean())),
    _visual_wake_words("vww_mobilenet_rnnpool_lstm", (*_front("lstm"), Mean())),
)
SPECS = {spec.name: spec for spec in _TABLES}
