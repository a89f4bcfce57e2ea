"""The detection networks as tables, and the one builder that makes modules of them.

A network is a row a layer; a `Source` row sends the map above it to a pair of heads. Adding a network is adding a
table. The tables follow the published code where it and the paper's appendix differ (microsoft/EdgeML,
examples/pytorch/vision/Face_Detection; Saha et al., NeurIPS 2020, appendix F). A and B are in the appendix only
(tables 12 and 13): their heads and norms are C's kind, 3x3, and their hidden sizes follow from the table's channels.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from hil.errors import HilError
from hil.reference.blocks import ConvBnRelu6, L2Norm
from hil.reference.rows import Conv, LayerRow, Mb, Pool, Separable, add_layers


@dataclass(frozen=True)
class Source:
    """The map above goes to a pair of heads, through L2Norm(gamma) where a gamma is given.

    background: how many background scores a cell has, of which the largest counts (max-out). reduce: channels and
    stride-2 convolution in front of both heads, for a map finer than its anchors.
    """

    step: int
    size: int
    gamma: float | None = None
    kernel: int = 3
    background: int = 1
    reduce: int | None = None


Row = LayerRow | Source


@dataclass(frozen=True)
class DetectorSpec:
    """What is fixed about a detector: its layers, its input and the rules that turn its maps into boxes.

    input_shape: (C, H, W). Network input = (uint8 - input_mean) * input_scale, a value a channel (RGB order).
    score_threshold, nms_iou, candidates (best boxes that enter NMS), detections (most boxes an image): the detection
    rules; device_candidates, device_detections: no more of them on a device, whose memory they take; variances: of the
    box offsets from the priors' centres and sizes; classes: the kinds of objects; weighted_nms: whether a box moves
    towards those that it suppresses, and its score rises (`hil.reference.boxes.nms`).
    """

    name: str
    rows: tuple[Row, ...]
    input_shape: tuple[int, int, int]
    input_mean: tuple[float, ...]
    input_scale: tuple[float, ...]
    score_threshold: float
    nms_iou: float = 0.3
    candidates: int = 5000
    detections: int = 750
    variances: tuple[float, float] = (0.1, 0.2)
    classes: tuple[str, ...] = ("face",)
    device_candidates: int = 400
    device_detections: int = 200
    weighted_nms: bool = False

    @property
    def sources(self) -> tuple[Source, ...]:
        return tuple(row for row in self.rows if isinstance(row, Source))

    @property
    def steps(self) -> tuple[int, ...]:
        """Distance between priors in input pixels, a source each."""
        return tuple(source.step for source in self.sources)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Edge of the square priors in input pixels, a source each."""
        return tuple(source.size for source in self.sources)

    @property
    def background(self) -> tuple[int, ...]:
        """Number of background scores before max-out, a source each."""
        return tuple(source.background for source in self.sources)

    @property
    def map_sizes(self) -> tuple[tuple[int, int], ...]:
        """(rows, columns) of each source's head outputs."""
        _, height, width = self.input_shape
        return tuple((math.ceil(height / step), math.ceil(width / step)) for step in self.steps)


class Detector(nn.Module):
    """A single-shot detector built from a table.

    layers: the backbone by name (conv0, rnnpool, mob0, ...). norms: L2Norm or Identity, loc and conf: the heads, one
    each a source. `maps` is plain enough for torch.fx with RnnPool and L2Norm as leaves.
    """

    def __init__(self, spec: DetectorSpec) -> None:
        super().__init__()
        self.spec = spec
        self.layers = nn.ModuleDict()
        self.norms, self.loc, self.conf = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        self.taps: list[str] = []  # the backbone layer each source reads
        channels = spec.input_shape[0]
        for row in spec.rows:
            if isinstance(row, Source):
                self._add_source(row, channels)
            else:
                channels = add_layers(self.layers, row, channels)

    def _add_source(self, source: Source, channels: int) -> None:
        self.taps.append(list(self.layers)[-1])
        self.norms.append(nn.Identity() if source.gamma is None else L2Norm(channels, source.gamma))
        self.loc.append(_head(source, channels, 4))
        self.conf.append(_head(source, channels, source.background + len(self.spec.classes)))

    def maps(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The heads' raw outputs a source: loc (N, 4, h, w), conf (N, background + classes, h, w), before max-out."""
        found: list[tuple[Tensor, Tensor]] = []
        for name, layer in self.layers.items():
            x = layer(x)
            for i, tap in enumerate(self.taps):
                if tap == name:
                    y = self.norms[i](x)
                    found.append((self.loc[i](y), self.conf[i](y)))
        return found

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Offsets (N, A, 4) and scores (N, A, 1 + classes), the background's first; sources one after another.

        x: (N, C, H, W), normalised. Anchors of a source are in row-major order.
        """
        locs, confs = [], []
        for loc, conf in self.maps(x):
            classes = len(self.spec.classes)
            conf = torch.cat([conf[:, :-classes].amax(1, keepdim=True), conf[:, -classes:]], 1)
            locs.append(loc.flatten(2).transpose(1, 2))
            confs.append(conf.flatten(2).transpose(1, 2))
        return torch.cat(locs, 1), torch.cat(confs, 1)

    def normalise(self, image: Tensor) -> Tensor:
        """uint8 (N, C, H, W) to the network's float32 input."""
        mean = torch.tensor(self.spec.input_mean).view(1, -1, 1, 1)
        scale = torch.tensor(self.spec.input_scale).view(1, -1, 1, 1)
        return (image.float() - mean.to(image.device)) * scale.to(image.device)


def _head(source: Source, channels: int, out: int) -> nn.Module:
    padding = source.kernel // 2
    if source.reduce is None:
        return nn.Conv2d(channels, out, source.kernel, padding=padding)
    reduced = ConvBnRelu6(channels, source.reduce, 3, 2)
    return nn.Sequential(reduced, nn.Conv2d(source.reduce, out, source.kernel, padding=padding))


_MONO_MEAN = (117.312,)  # the luma of the mean colour below
_RGB_MEAN = (123.0, 117.0, 104.0)

_TABLES = (
    DetectorSpec(
        name="rnnpool_face_m4",
        rows=(
            Conv(4, stride=2),
            Pool(16, 16),
            Mb(32, 2),
            Source(8, 8, gamma=10, background=3),
            Mb(32, 2),
            Source(8, 16, gamma=8),
            Mb(64, 2, stride=2),
            Source(16, 32, gamma=5),
            Mb(64, 2),
            Source(16, 48),
        ),
        input_shape=(1, 240, 320),
        input_mean=_MONO_MEAN,
        input_scale=(1 / 64,),
        score_threshold=0.05,
        nms_iou=0.4,
        weighted_nms=True,
    ),
    DetectorSpec(
        name="rnnpool_face_qvga_mono",
        rows=(
            Conv(4, stride=2),
            Pool(16, 16),
            Mb(32, 2, repeat=4),
            Source(8, 8, gamma=10, background=3),
            Mb(32, 2, repeat=4),
            Source(8, 16, gamma=8),
            Mb(96, 2, repeat=3, stride=2),
            Source(16, 32, gamma=5),
            Mb(128, 2, repeat=3),
            Source(16, 48),
        ),
        input_shape=(1, 240, 320),
        input_mean=_MONO_MEAN,
        input_scale=(1.0,),
        score_threshold=0.05,
        nms_iou=0.4,
        weighted_nms=True,
    ),
    DetectorSpec(
        name="rnnpool_face_quant",
        rows=(
            Conv(4, stride=2),
            Conv(4),
            Source(4, 16, gamma=10, background=3, reduce=8),
            Pool(8, 8),
            Mb(16, 2, repeat=4),
            Source(8, 32, gamma=8),
            Mb(24, 2, repeat=4, stride=2),
            Source(16, 64, gamma=5),
            Mb(32, 2, repeat=2, stride=2),
            Source(32, 128),
            Mb(64, 2, stride=2),
            Source(64, 256),
            Mb(96, 2, stride=2),
            Source(128, 512),
        ),
        input_shape=(3, 480, 640),
        input_mean=_RGB_MEAN,
        input_scale=(1.0, 1.0, 1.0),
        score_threshold=0.01,
        device_candidates=780,
        device_detections=400,
        nms_iou=0.4,
        weighted_nms=True,
    ),
    DetectorSpec(
        name="rnnpool_face_a",
        rows=(
            Pool(4, 4),
            Separable(16, repeat=4),
            Source(4, 16, gamma=10, background=3),
            Separable(16, stride=2),
            Mb(16, 1, repeat=3),
            Source(8, 32, gamma=8),
            Mb(24, 1, repeat=3, stride=2),
            Source(16, 64, gamma=5),
            Mb(32, 1, repeat=2, stride=2),
            Source(32, 128),
            Mb(128, 2, stride=2),
            Source(64, 256),
            Mb(160, 2, stride=2),
            Source(128, 512),
        ),
        input_shape=(3, 480, 640),
        input_mean=_RGB_MEAN,
        input_scale=(1.0, 1.0, 1.0),
        score_threshold=0.01,
        device_candidates=2000,
        device_detections=640,
        nms_iou=0.4,
        weighted_nms=True,
    ),
    DetectorSpec(
        name="rnnpool_face_b",
        rows=(
            Pool(6, 6),
            *(Conv(24),) * 4,
            Source(4, 16, gamma=10, background=3),
            Conv(96, stride=2),
            Conv(32, kernel=1),
            Mb(32, 6, repeat=3),
            Source(8, 32, gamma=8),
            Mb(64, 6, repeat=3, stride=2),
            Source(16, 64, gamma=5),
            Mb(128, 6, repeat=2, stride=2),
            Source(32, 128),
            Mb(160, 6, stride=2),
            Source(64, 256),
            Mb(320, 6, stride=2),
            Source(128, 512),
        ),
        input_shape=(3, 480, 640),
        input_mean=_RGB_MEAN,
        input_scale=(1.0, 1.0, 1.0),
        score_threshold=0.01,
        device_candidates=1000,
        device_detections=640,
        nms_iou=0.4,
        weighted_nms=True,
    ),
    DetectorSpec(
        name="rnnpool_face_c",
        rows=(
            Pool(16, 16),
            Mb(24, 1),
            Mb(24, 6),
            Source(4, 16, gamma=10, kernel=5, background=3),
            Mb(32, 6, repeat=3, stride=2),
            Source(8, 32, gamma=8, kernel=5),
            Mb(64, 6, repeat=4, stride=2),
            Source(16, 64, gamma=5, kernel=5),
            Mb(96, 6, repeat=3, stride=2),
            Source(32, 128, kernel=1),
            Mb(160, 6, repeat=2, stride=2),
            Source(64, 256, kernel=1),
            Mb(320, 6, stride=2),
            Source(128, 512),
        ),
        input_shape=(3, 480, 640),
        input_mean=_RGB_MEAN,
        input_scale=(1.0, 1.0, 1.0),
        score_threshold=0.01,
        device_candidates=2000,
        device_detections=640,
        nms_iou=0.4,
        weighted_nms=True,
    ),
)
# M4's table again, of weights with zeros and ties (hil.training.structure): the tensors show which.
_M4_SPARSE = replace(_TABLES[0], name="rnnpool_face_m4_sparse")
SPECS = {spec.name: spec for spec in (_TABLES[0], _M4_SPARSE, *_TABLES[1:])}


def build(name: str) -> Detector:
    """A freshly initialised network by name. Raises HilError for an unknown name, listing the known ones."""
    if name not in SPECS:
        raise HilError(f"unknown network {name!r}: known are {', '.join(SPECS)}")
    return Detector(SPECS[name])
