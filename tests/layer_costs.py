"""Cycles a multiply-accumulate, or a byte of output, of every kind of layer beside the one it is most like.

    PYTHONPATH=tests python tests/layer_costs.py

One network has them all, side by side behind one convolution; the simulated STM32F407 counts them (timing: full).
docs/performance.md has what this prints.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from networks import images, quantised, randomise
from torch import Tensor, nn

from hil import board as boards
from hil import targets
from hil.bench.session import Bench
from hil.compiler import graph as q
from hil.firmware.build import build_graph
from hil.reference.backbones import SqueezeExcite
from hil.reference.blocks import ConvBnRelu6
from hil.reference.own import Tensors, TensorSpec
from hil.reference.rnnpool import RnnPool

CHANNELS, SIDE = 16, 64  # of the map in front of all of them, 32 x 32; of the image


class Together(nn.Module):
    """A map beside itself, or added to what a depthwise convolution makes of it."""

    def __init__(self, is_sum: bool) -> None:
        super().__init__()
        self.is_sum, self.branch = is_sum, nn.Conv2d(CHANNELS, CHANNELS, 1)

    def forward(self, x: Tensor) -> Tensor:
        made = self.branch(x)
        return x + made if self.is_sum else torch.cat([x, made], 1)


def pool(cell: str) -> nn.Module:
    """RNNPool as M4 has it, but for its input."""
    return RnnPool(CHANNELS, 8, 8, patch=8, stride=4, cell=cell)


LAYERS: dict[str, nn.Module] = {
    "conv": nn.Conv2d(CHANNELS, 24, 3, padding=1),
    "dilated": nn.Conv2d(CHANNELS, 24, 3, padding=2, dilation=2),
    "pointwise": nn.Conv2d(CHANNELS, 24, 1),
    "up": nn.ConvTranspose2d(CHANNELS, 24, 2, 2),
    "up_conv": nn.ConvTranspose2d(CHANNELS, 24, 4, 2, 1),
    "depthwise": nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS),
    "depthwise_dilated": nn.Conv2d(CHANNELS, CHANNELS, 3, padding=2, dilation=2, groups=CHANNELS),
    "multiplied": nn.Conv2d(CHANNELS, 2 * CHANNELS, 3, padding=1, groups=CHANNELS),
    "average": nn.AvgPool2d(3, 1, 1),
    "largest": nn.MaxPool2d(3, 1, 1),
    "added": Together(True),
    "beside": Together(False),
    "swish": nn.Hardswish(),
    "nearest": nn.Upsample(scale_factor=2),
    "excited": SqueezeExcite(CHANNELS, 8),
    "fastgrnn": pool("fastgrnn"),
    "gru": pool("gru"),
    "lstm": pool("lstm"),
    "vector": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 64), nn.Linear(64, 64)),
    "dense": nn.Sequential(nn.Flatten(), nn.Linear(CHANNELS * (SIDE // 2) ** 2, 8)),
}
VECTORS = ("vector", "dense")  # whose outputs are no maps


class Side(nn.Module):
    """Every layer of LAYERS on one map, each a mean of its own at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvBnRelu6(3, CHANNELS, 3, 2)
        self.layers = nn.ModuleDict(LAYERS)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        return [layer(x) if name in VECTORS else layer(x).mean((2, 3)) for name, layer in self.layers.items()]


@dataclass(frozen=True)
class Cost:
    """Of a layer of the graph. macs: 0 of one without."""

    name: str
    operator: str
    cycles: int
    macs: int
    values: int  # of its output


def measure(folder: Path) -> list[Cost]:
    """Every layer of the graph, as one image costs on the simulated board."""
    torch.manual_seed(3)
    spec = TensorSpec("layers", tuple(LAYERS), (3, SIDE, SIDE), (127.5,) * 3, (1 / 64,) * 3)
    network = randomise(Tensors(Side(), spec))
    graph, board = quantised(network), boards.load("stm32f407_disco")
    firmware = build_graph(graph, network, board, folder)
    with Bench(firmware, targets.create("sim", board, timing="full")) as bench:
        cycles = bench.infer(images(network, 1, seed=5)[0]).layer_cycles
    assert cycles is not None
    return [
        Cost(layer.name, type(layer).__name__, spent, layer.macs, _values(layer.output))
        for layer, spent in zip(graph.layers, cycles, strict=True)
    ]


def _values(output: q.Tensor) -> int:
    return output.height * output.width * output.channels


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for cost in measure(Path(folder) / "generated"):
            each = f"{cost.cycles / cost.macs:.2f} a MAC" if cost.macs else "-"
            print(f"{cost.name:40}{cost.operator:12}{cost.cycles:10,} {cost.macs:10,} {each:>14} "
                  f"{cost.cycles / cost.values:8.2f} a value")  # fmt: skip
