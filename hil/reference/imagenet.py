"""The classifiers of the paper's ImageNet-10 with RNNPool, and two of them without, as tables.

RNNPool takes the place of the first blocks (Saha et al., NeurIPS 2020: sections 4 and F.1, Tables 9 and 10); from there
on the networks are torchvision's. EdgeML's code has none of them. Where the paper leaves something open: what its peak
RAM, parameters and operations imply is taken (docs/models.md says where they cannot be met).

The ten classes are Imagenette's, of which photos can be had; the paper's are ten others of ImageNet.
"""

from __future__ import annotations

from hil.reference.classifiers import MEAN, SCALE, ClassifierSpec
from hil.reference.rows import (
    Average,
    Basic,
    Conv,
    Dense,
    Inception,
    Largest,
    LayerRow,
    Mb,
    Mean,
    Normal,
    Normed,
    Pool,
    Squeezed,
)

CLASSES = (
    "tench", "English springer", "cassette player", "chain saw", "church", "French horn", "garbage truck", "gas pump",
    "golf ball", "parachute",
)  # fmt: skip
FOLDERS = (  # WordNet's numbers, by which ImageNet's folders are named
    "n01440764", "n02102040", "n02979186", "n03000684", "n03028079", "n03394916", "n03417042", "n03425413", "n03445777",
    "n03888257",
)  # fmt: skip

_MOBILE = (Mb(96, 6, repeat=3), Mb(160, 6, repeat=3, stride=2), Mb(320, 6), Conv(1280, kernel=1), Mean())
_DENSE = (Dense(24), Average(512), Dense(16), Normed(), Mean())
_INCEPTIONS = (
    Inception((192, 96, 208, 16, 48, 64)), Inception((160, 112, 224, 24, 64, 64)),
    Inception((128, 128, 256, 24, 64, 64)), Inception((112, 144, 288, 32, 64, 64)),
    Inception((256, 160, 320, 32, 128, 128)), Largest(2, 2, 0),
    Inception((256, 160, 320, 32, 128, 128)), Inception((384, 192, 384, 48, 128, 128)),
)  # fmt: skip


def _imagenet(name: str, *rows: LayerRow) -> ClassifierSpec:
    return ClassifierSpec(f"imagenet10_{name}", rows, CLASSES, (3, 224, 224), MEAN, SCALE, 256, FOLDERS)


_TABLES = (
    _imagenet("mobilenetv2", Conv(32, stride=2), Mb(16, 1), Mb(24, 6, repeat=2, stride=2),
              Mb(32, 6, repeat=3, stride=2), Mb(64, 6, repeat=4, stride=2), *_MOBILE),
    _imagenet("mobilenetv2_rnnpool", Conv(32, stride=2), Pool(16, 16, patch=6), Mb(64, 6, repeat=4, stride=2),
              *_MOBILE),
    _imagenet("densenet121", Normal(64, kernel=7, stride=2), Largest(), Dense(6), Average(128), Dense(12), Average(256),
              *_DENSE),
    _imagenet("densenet121_rnnpool", Normal(64, kernel=7, stride=2), Pool(48, 48), Average(256), *_DENSE),
    _imagenet("efficientnet_b0_rnnpool", Normal(32, stride=2, activation="silu"), Pool(16, 16, patch=6),
              Squeezed(80, 6, repeat=3, stride=2), Squeezed(112, 6, kernel=5, repeat=3),
              Squeezed(192, 6, kernel=5, repeat=4, stride=2), Squeezed(320, 6),
              Normal(1280, kernel=1, activation="silu"), Mean()),
    _imagenet("resnet18_rnnpool", Normal(64, kernel=7, stride=2), Pool(32, 32), Basic(256, repeat=2, stride=2),
              Basic(512, repeat=2, stride=2), Mean()),
    _imagenet("googlenet_rnnpool", Normal(64, kernel=7, stride=2), Pool(32, 32), Largest(), *_INCEPTIONS, Mean()),
)  # fmt: skip
SPECS = {spec.name: spec for spec in _TABLES}
