"""The rows that network tables are written in, and the modules they stand for."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from hil.reference import backbones
from hil.reference.blocks import ConvBnRelu6, MbConv
from hil.reference.rnnpool import RnnPool


@dataclass(frozen=True)
class Conv:
    """ConvBnRelu6 to `out` channels."""

    out: int
    kernel: int = 3
    stride: int = 1


@dataclass(frozen=True)
class Separable:
    """`repeat` depthwise 3x3 plus pointwise convolutions to `out` channels, each a ConvBnRelu6 (MobileNetV1).

    The first takes the stride, the others have stride 1.
    """

    out: int
    repeat: int = 1
    stride: int = 1


@dataclass(frozen=True)
class Pool:
    """RnnPool to 4 * hidden2 channels. pad: with the replicated row and column that brings back a whole map.

    cell: fastgrnn, gru or lstm.
    """

    hidden1: int
    hidden2: int
    patch: int = 8
    stride: int = 4
    pad: bool = True
    cell: str = "fastgrnn"


@dataclass(frozen=True)
class Mb:
    """`repeat` MbConv blocks to `out` channels; the first takes the stride, the others have stride 1."""

    out: int
    t: int
    repeat: int = 1
    stride: int = 1


@dataclass(frozen=True)
class Mean:
    """The mean over all pixels: a 1 x 1 map."""


@dataclass(frozen=True)
class Normal:
    """ConvBn to `out` channels with one of hil.reference.backbones.ACTIVATIONS."""

    out: int
    kernel: int = 3
    stride: int = 1
    activation: str = "relu"


@dataclass(frozen=True)
class Largest:
    """The largest value of each window."""

    kernel: int = 3
    stride: int = 2
    padding: int = 1


@dataclass(frozen=True)
class Dense:
    """`repeat` DenseLayers, each with so many channels more."""

    repeat: int
    growth: int = 32


@dataclass(frozen=True)
class Average:
    """Transition to `out` channels and half the size."""

    out: int


@dataclass(frozen=True)
class Normed:
    """Batch norm and ReLU."""


@dataclass(frozen=True)
class Basic:
    """`repeat` BasicBlocks to `out` channels; the first takes the stride."""

    out: int
    repeat: int = 1
    stride: int = 1


@dataclass(frozen=True)
class Inception:
    """One Inception block."""

    widths: tuple[int, int, int, int, int, int]


@dataclass(frozen=True)
class Squeezed:
    """`repeat` SqueezedMb blocks to `out` channels; the first takes the stride."""

    out: int
    t: int
    kernel: int = 3
    repeat: int = 1
    stride: int = 1


LayerRow = (
    Conv | Separable | Pool | Mb | Mean | Normal | Largest | Dense | Average | Normed | Basic | Inception | Squeezed
)


def add_layers(layers: nn.ModuleDict, row: LayerRow, channels: int) -> int:
    """Adds a row's modules (conv0, rnnpool, mob0, ...) behind `layers`, which end in so many channels.

    Returns the channels they end in then.
    """
    match row:
        case Conv():
            _append(layers, "conv", ConvBnRelu6(channels, row.out, row.kernel, row.stride))
            return row.out
        case Pool():
            pool = RnnPool(channels, row.hidden1, row.hidden2, row.patch, row.stride, row.pad, cell=row.cell)
            _append(layers, "rnnpool", pool)
            return 4 * row.hidden2
        case Mean():
            _append(layers, "mean", nn.AdaptiveAvgPool2d(1))
            return channels
        case Normal():
            _append(layers, "conv", backbones.ConvBn(channels, row.out, row.kernel, row.stride, row.activation))
            return row.out
        case Largest():
            _append(layers, "largest", nn.MaxPool2d(row.kernel, row.stride, row.padding))
            return channels
        case Average():
            _append(layers, "average", backbones.Transition(channels, row.out))
            return row.out
        case Normed():
            _append(layers, "norm", backbones.PreActivated(channels))
            return channels
        case Inception(widths):
            _append(layers, "inception", backbones.Inception(channels, widths))
            return widths[0] + widths[2] + widths[4] + widths[5]
        case Dense():
            for i in range(row.repeat):
                _append(layers, "dense", backbones.DenseLayer(channels + i * row.growth, row.growth))
            return channels + row.repeat * row.growth
    for i in range(row.repeat):
        stride = row.stride if i == 0 else 1
        if isinstance(row, Mb):
            _append(layers, "mob", MbConv(channels, row.out, row.t, stride))
        elif isinstance(row, Basic):
            _append(layers, "basic", backbones.BasicBlock(channels, row.out, stride))
        elif isinstance(row, Squeezed):
            _append(layers, "mob", backbones.SqueezedMb(channels, row.out, row.t, row.kernel, stride))
        else:
            _append(layers, "conv", ConvBnRelu6(channels, channels, 3, stride, groups=channels))
            _append(layers, "conv", ConvBnRelu6(channels, row.out, 1))
        channels = row.out
    return channels


def _append(layers: nn.ModuleDict, kind: str, module: nn.Module) -> None:
    """Numbers the layers of a kind from 0; what a network usually has one of has no number the first time."""
    count = sum(name.startswith(kind) for name in layers)
    layers[kind if kind in ("rnnpool", "mean") and count == 0 else f"{kind}{count}"] = module
