"""Cycles a multiply-accumulate, or a byte of output, of every kind of layer beside the one it is most like.

    PYTHONPATH=tests python tests/layer_costs.py

One network has them all, side by side behind one convolution; the simulated STM32F407 counts them (timing: full).
docs/performance.md has what this prints. Exit code 1 where a layer is more than 1.5 times as slow as its like.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from networks import images, quantised, randomise
from torch import Tensor, nn

from hil import board as boards
from hil import targets
from hil.bench.session import Bench
from hil.compiler.quantised import graph as q
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


@dataclass(frozen=True)
class Pair:
    """Layers of the graph that do one thing together, and the layer that they are like.

    unit: "MAC", "value" (of the output), or "tap": a value of a 3x3 window, which is the like layer's MAC.
    """

    title: str
    names: tuple[str, ...]
    like: str
    unit: str = "MAC"


PAIRS = (
    Pair("convolution 3x3, dilation 2", ("dilated",), "conv_layer"),
    Pair("transposed convolution 2x2", ("up_conv", "up"), "pointwise"),
    Pair("transposed convolution 4x4", ("up_conv_conv", "up_conv_1"), "conv_layer"),
    Pair("depthwise 3x3, dilation 2", ("depthwise_dilated",), "depthwise_layer"),
    Pair("depthwise 3x3, multiplier 2", ("multiplied_repeat", "multiplied"), "depthwise_layer"),
    Pair("average of 3x3", ("average",), "depthwise_layer", "tap"),
    Pair("maximum of 3x3", ("largest",), "depthwise_layer", "tap"),
    Pair("concat", ("beside_cat",), "added_add", "value"),
    Pair("table (hard swish)", ("swish",), "added_add", "value"),
    Pair("up-sampling, nearest", ("nearest",), "added_add", "value"),
    Pair("map times a number a channel", ("excited_scaled",), "added_add", "value"),
    Pair("RNNPool with GRU", ("gru",), "fastgrnn"),
    Pair("RNNPool with LSTM", ("lstm",), "fastgrnn"),
    Pair("fully connected, of a map", ("dense1",), "vector3"),
)
MOST = 1.5  # times the cycles of the like one


def cycles_a_unit(costs: list[Cost], unit: str) -> float:
    """Of layers together, by the last one's output."""
    taps = {"value": 1, "tap": 9}
    units = costs[-1].values * taps[unit] if unit in taps else sum(cost.macs for cost in costs)
    return sum(cost.cycles for cost in costs) / units


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        found = {cost.name: cost for cost in measure(Path(folder) / "generated")}
    print("| layer | like | cycles | the like one's | ratio |\n|---|---|---|---|---|")
    worst = 0.0
    for pair in PAIRS:
        spent = cycles_a_unit([found[name] for name in pair.names], pair.unit)
        base = cycles_a_unit([found[pair.like]], "value" if pair.unit == "value" else "MAC")
        worst = max(worst, spent / base)
        print(f"| {pair.title} | {pair.like} | {spent:.2f} a {pair.unit} | {base:.2f} | {spent / base:.2f} |")
    return 1 if worst > MOST else 0


if __name__ == "__main__":
    sys.exit(main())
