"""Small networks for tests: every operator the compiler knows, at sizes that run in a moment."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from hil.compiler import QuantisedGraph, compile_network
from hil.compiler.reading.calibrate import calibrate
from hil.reference.blocks import ConvBnRelu6, L2Norm, MbConv
from hil.reference.fastgrnn import FastGrnn
from hil.reference.networks import SPECS, Conv, Detector, DetectorSpec, Mb, Pool, Source
from hil.reference.rnnpool import RnnPool

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class ClassifierSpec:
    name: str
    input_shape: tuple[int, int, int]
    input_mean: tuple[float, ...] = (123.675, 116.28, 103.53)
    input_scale: tuple[float, ...] = (1 / 58.395, 1 / 57.12, 1 / 57.375)


class Classifier(nn.Module):
    """As MobileNetV2-RNNPool for Visual Wake Words is built: convolution, RNNPool 6x6, blocks, mean, linear."""

    def __init__(self, pool_nonlinearity: str = "sigmoid_tanh") -> None:
        super().__init__()
        self.spec = ClassifierSpec("classifier", (3, 45, 53))
        self.conv = ConvBnRelu6(3, 5, 3, 2)
        self.pool = RnnPool(5, 6, 4, patch=6, stride=4, nonlinearity=pool_nonlinearity)
        self.block = MbConv(16, 9, 3)
        self.last = ConvBnRelu6(9, 12, 1)
        self.dropout = nn.Dropout(0.2)
        self.linear = nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.last(self.block(self.pool(self.conv(x))))
        return self.linear(self.dropout(x.mean([2, 3])))


class RandomNetwork(nn.Module):
    """A classifier of layers drawn by lot: shapes that no published network has."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        dice = random.Random(seed)
        torch.manual_seed(seed)
        channels = dice.choice((1, 3, 4, 8))
        self.spec = ClassifierSpec(f"random{seed}", (channels, dice.randrange(24, 40), dice.randrange(24, 48)))
        if channels != 3:
            self.spec = replace(self.spec, input_mean=(117.312,) * channels, input_scale=(1 / 64,) * channels)
        layers: list[nn.Module] = []
        shrunk = False
        for kind in dice.sample(("dense", "dense", "block", "block", "depthwise", "pool", "norm"), 5):
            if kind == "norm" and not layers:
                continue  # not of the image itself
            stride = dice.choice((1, 2)) if not shrunk else 1
            shrunk |= stride == 2
            out = dice.choice((4, 8, 12, 16, dice.randrange(3, 20)))  # the fast loops take multiples of four
            match kind:
                case "dense":
                    layers.append(ConvBnRelu6(channels, out, dice.choice((1, 3, 5)), stride))
                case "depthwise":
                    layers.append(ConvBnRelu6(channels, channels, dice.choice((3, 5)), stride, groups=channels))
                case "block":
                    out = dice.choice((channels, out)) if layers else channels + 4  # no sum with the image itself
                    layers.append(MbConv(channels, out, dice.choice((1, 2, 3)), stride))
                case "norm":
                    layers.append(L2Norm(channels, 8))
                case "pool":
                    one, two = (dice.choice((4, 6, 8, 16, dice.randrange(1, 20))) for _ in range(2))
                    patch = dice.choice((4, 6, 8))
                    layers.append(RnnPool(channels, one, two, patch, dice.choice((patch, patch // 2))))
                    shrunk, out = True, 4 * two
            channels = channels if kind in ("depthwise", "norm") else out
        self.layers = nn.Sequential(*layers)
        self.linear = nn.Linear(channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.layers(x).mean([2, 3]))


TINY = DetectorSpec(
    name="tiny",
    rows=(Conv(4, stride=2), Pool(6, 4), Mb(10, 2), Source(8, 8, gamma=10, background=3), Mb(10, 2), Source(8, 16)),
    input_shape=(1, 40, 56),
    input_mean=(117.312,),
    input_scale=(1 / 64,),
    score_threshold=0.3,
)


def detector(spec: DetectorSpec, seed: int = 0) -> Detector:
    """A detector with random weights whose batch norms have random statistics, as a trained one has."""
    torch.manual_seed(seed)
    return randomise(Detector(spec))


def randomise(network: M) -> M:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.02, 0.2)
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.normal_(module.bias, 0.5)
        if isinstance(module, FastGrnn):
            nn.init.normal_(module.bias_update, 0.5, 0.5)
    return network.eval()


def tied(network: M) -> M:
    """The network with its recurrent cells' biases tied: the candidate's above the gate's by the same everywhere."""
    for module in network.modules():
        if isinstance(module, FastGrnn):
            module.bias_update.data = module.bias_gate + (module.bias_update - module.bias_gate).mean()
    return network


def in_blocks(network: M, kept: int = 3) -> M:
    """The network with its recurrent matrices masked: of 2x2 blocks those with most energy stay.

    kept: on average, of a pair of units.
    """
    for module in network.modules():
        if isinstance(module, FastGrnn):
            for matrix in (module.U, module.W):
                inputs, units = (size // 2 for size in matrix.shape)
                blocks = matrix.data.reshape(inputs, 2, units, 2)
                energy = (blocks**2).sum((1, 3))
                mask = torch.zeros_like(energy).flatten()
                mask[energy.flatten().topk(min(kept * units, inputs * units)).indices] = 1.0
                mask = mask.view_as(energy)
                matrix.data = (blocks * mask[:, None, :, None]).reshape(matrix.shape)
    return network


def small(name: str, height: int, width: int) -> Detector:
    """A network of the paper with random weights at a reduced input size."""
    spec = SPECS[name]
    return detector(replace(spec, input_shape=(spec.input_shape[0], height, width), score_threshold=0.3))


def images(network: nn.Module, count: int = 4, seed: int = 0) -> list[np.ndarray]:
    """Random images with structure: blocks of random grey plus noise."""
    rng = np.random.default_rng(seed)
    channels, height, width = network.spec.input_shape
    made = []
    for _ in range(count):
        coarse = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, channels)).repeat(8, 0).repeat(8, 1)
        noise = rng.normal(0, 12, (height, width, channels))
        made.append(np.clip(coarse[:height, :width] + noise, 0, 255).astype(np.uint8))
    return made


def quantised(network: nn.Module) -> QuantisedGraph:
    """The network's graph, calibrated on random images."""
    return compile_network(network, calibrate(network, images(network)))
