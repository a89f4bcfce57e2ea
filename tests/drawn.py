"""Networks drawn by lot over all layers, old and new, at shapes that no published network has."""

from __future__ import annotations

import random

import torch
from networks import ClassifierSpec
from torch import Tensor, nn

from hil.reference.backbones import DenseLayer, Inception, SqueezeExcite
from hil.reference.blocks import ConvBnRelu6, L2Norm, MbConv
from hil.reference.rnnpool import RnnPool

KINDS = (
    "conv", "relu", "hard_swish", "linear_bn", "depthwise", "multiplied", "dilated", "dilated_depthwise", "largest",
    "average", "beside", "sum", "transposed", "nearest", "block", "norm", "pre_activated", "pool", "gru", "lstm",
    "sum_relu", "silu", "excited", "dense", "inception",
)  # fmt: skip


class Beside(nn.Module):
    """Branches of one map, channel after channel."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class Sum(nn.Module):
    """A branch added to its input, with a ReLU behind where is_clamped."""

    def __init__(self, branch: nn.Module, is_clamped: bool) -> None:
        super().__init__()
        self.branch, self.last = branch, nn.ReLU() if is_clamped else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.branch(x) + x)


class DrawnNetwork(nn.Module):
    """Five layers or blocks of KINDS behind a convolution, then a mean or nothing, then a fully connected layer.

    first: a kind that is to be among them.
    """

    def __init__(self, seed: int, first: str | None = None) -> None:
        super().__init__()
        dice = random.Random(seed)
        torch.manual_seed(seed)
        height, width = dice.randrange(18, 30), dice.randrange(18, 36)
        self.spec = ClassifierSpec(f"drawn{seed}", (3, height, width))
        channels = dice.choice((4, 8, 12, dice.randrange(3, 14)))
        layers: list[nn.Module] = [ConvBnRelu6(3, channels, 3, dice.choice((1, 2)))]
        kinds = [*([first] if first else []), *dice.sample(KINDS, 5 - bool(first))]
        dice.shuffle(kinds)
        for kind in kinds:
            size = _size(layers, self.spec.input_shape)
            layer = _layer(kind, channels, min(size), dice)
            if layer is not None:
                layers.append(layer)
                channels = _channels(layers, self.spec.input_shape)
        self.layers = nn.Sequential(*layers)
        size = _size(layers, self.spec.input_shape)
        if dice.random() < 0.5:
            self.end: nn.Module = nn.AdaptiveAvgPool2d(1)
            self.linear = nn.Linear(channels, dice.randrange(2, 7))
        else:
            self.end = nn.Identity()
            self.linear = nn.Linear(channels * size[0] * size[1], dice.randrange(2, 12))

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.end(self.layers(x)).flatten(1))


def _run(layers: list[nn.Module], shape: tuple[int, int, int]) -> torch.Size:
    with torch.no_grad():
        return nn.Sequential(*layers).eval()(torch.zeros(1, *shape)).shape


def _size(layers: list[nn.Module], shape: tuple[int, int, int]) -> tuple[int, int]:
    return tuple(_run(layers, shape)[2:])  # type: ignore[return-value]


def _channels(layers: list[nn.Module], shape: tuple[int, int, int]) -> int:
    return int(_run(layers, shape)[1])


def _layer(kind: str, channels: int, size: int, dice: random.Random) -> nn.Module | None:
    """A layer of a kind for a map of so many channels and a shorter side of `size`; None where it would not fit."""
    out = dice.choice((4, 8, 12, 16, dice.randrange(3, 20)))
    stride = dice.choice((1, 1, 2)) if size > 8 else 1
    if size < 7:
        return None
    if kind in ("transposed", "nearest") and size > 24:
        return None
    match kind:
        case "conv":
            return ConvBnRelu6(channels, out, dice.choice((1, 3, 5)), stride)
        case "relu":
            return nn.Sequential(nn.Conv2d(channels, out, 3, stride, 1), nn.ReLU())
        case "hard_swish":
            return nn.Sequential(nn.Conv2d(channels, out, 3, stride, 1), nn.Hardswish())
        case "silu":
            return nn.Sequential(nn.Conv2d(channels, out, 1), nn.BatchNorm2d(out), nn.SiLU())
        case "linear_bn":
            return nn.Sequential(nn.Conv2d(channels, out, 3, stride, bias=False), nn.BatchNorm2d(out))
        case "depthwise":
            return ConvBnRelu6(channels, channels, dice.choice((3, 5)), stride, groups=channels)
        case "multiplied":
            return nn.Conv2d(channels, channels * dice.choice((2, 3)), 3, stride, 1, groups=channels)
        case "dilated":
            gap = dice.choice((2, 3))
            return nn.Sequential(nn.Conv2d(channels, out, 3, stride, dice.choice((0, gap)), dilation=gap), nn.ReLU6())
        case "dilated_depthwise":
            gap = dice.choice((2, 3))
            return nn.Conv2d(channels, channels, 3, dice.choice((1, 1, 2)), gap, dilation=gap, groups=channels)
        case "largest":
            return nn.MaxPool2d(3, dice.choice((1, 2)), dice.choice((0, 1)))
        case "average":
            kernel = dice.choice((2, 3, 5))
            return nn.AvgPool2d(kernel, stride, dice.choice((0, 1)))
        case "excited":
            return SqueezeExcite(channels, dice.choice((8, 11, 16)))
        case "dense":
            return DenseLayer(channels, dice.choice((4, 5, 8)))
        case "inception":
            return Inception(channels, tuple(dice.choice((3, 4, 8)) for _ in range(6)))
        case "beside":
            return Beside(
                nn.Conv2d(channels, out, 1), nn.Identity(), nn.MaxPool2d(3, 1, 1), ConvBnRelu6(channels, 5, 3)
            )
        case "sum":
            return Sum(nn.Conv2d(channels, channels, 3, padding=1), False)
        case "sum_relu":
            return Sum(ConvBnRelu6(channels, channels, 1), True)
        case "transposed":
            kernel, padding, more = dice.choice(((2, 0, 0), (3, 1, 1), (4, 1, 0)))
            return nn.ConvTranspose2d(channels, out, kernel, 2, padding, more)
        case "nearest":
            return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(channels, out, 3, 2, 1))
        case "block":
            return MbConv(channels, dice.choice((channels, out)), dice.choice((1, 2, 3)), stride)
        case "norm":
            return L2Norm(channels, 8)
        case "pre_activated":
            return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, out, 1))
    one, two = (dice.choice((4, 6, 8, 16, dice.randrange(1, 20))) for _ in range(2))
    patch = dice.choice((4, 6))
    cell = "fastgrnn" if kind == "pool" else kind
    return RnnPool(channels, one, two, patch, dice.choice((patch, patch // 2)), cell=cell)
