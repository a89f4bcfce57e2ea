"""The networks that are mutated: the zoo's at a small input, and some drawn by lot."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from hil import board as boards
from hil.bench import drawn
from hil.board import Board
from hil.checkpoints.seeding import expect_few_faces, settle
from hil.compiler import Plan, QuantisedGraph, compile_network, make_plan
from hil.compiler.emit import model_source
from hil.compiler.quantised import graph as q
from hil.compiler.reading.calibrate import calibrate
from hil.reference.catalogue import SPECS, Network, of_spec
from hil.reference.classifiers import ClassifierSpec
from hil.reference.fastgrnn import FastGrnn
from hil.reference.networks import Detector, DetectorSpec, Source
from hil.reference.rows import Conv, Mb, Pool
from hil.training.recipe import load_recipe
from hil.training.structure import impose, loose

CALIBRATED = 4  # drawn images
LIVELY = 6  # times what a cell begins with: its states then follow what it reads, as a trained one's do
BOXES = 40  # about so many, on a drawn image, as many of each source: enough for suppression to have work
SIZES = {
    "rnnpool_face_m4": (48, 64), "rnnpool_face_m4_sparse": (48, 64), "rnnpool_face_qvga_mono": (48, 64),
    "rnnpool_face_quant": (64, 96), "rnnpool_face_a": (64, 64), "rnnpool_face_b": (64, 64), "rnnpool_face_c": (64, 64),
    "vww_mobilenet_rnnpool": (64, 64), "vww_mobilenet_2rnnpool": (224, 224), "vww_mobilenet_last_rnnpool": (224, 224),
    "vww_mobilenet_rnnpool_gru": (64, 64), "vww_mobilenet_rnnpool_lstm": (64, 64),
    "imagenet10_mobilenetv2_rnnpool": (64, 64), "imagenet10_densenet121_rnnpool": (64, 64),
    "imagenet10_efficientnet_b0_rnnpool": (64, 64), "imagenet10_googlenet_rnnpool": (64, 64),
    "imagenet10_resnet18_rnnpool": (64, 64),
}  # fmt: skip
DRAWN = ("drawn0", "drawn1", "drawn2")
BOARD = "stm32f407_disco"


@dataclass(frozen=True)
class Subject:
    """A network under test. ranges: of its layers, which the graph is compiled with.

    is_on_board: as the board's firmware on the simulated board, else on this computer.
    """

    name: str
    network: Network
    ranges: dict[str, float]
    graph: QuantisedGraph
    board: Board
    is_on_board: bool = False

    @cached_property
    def plan(self) -> Plan:
        """What its firmware's memory and schedule are."""
        return make_plan(self.graph, self.board)

    @cached_property
    def model_source(self) -> str:
        """The generated model.c."""
        return model_source(self.graph, self.plan)

    @cached_property
    def kinds(self) -> frozenset[str]:
        """What operators may need of it."""
        kind = "detector" if isinstance(self.network, Detector) else "classifier"
        pools = [layer for layer in self.graph.layers if isinstance(layer, q.QPool)]
        cells = [cell for pool in pools for cell in (pool.cell1, pool.cell2) if isinstance(cell, q.QCell)]
        tied = {"tied" if cell.is_tied else "untied" for cell in cells}
        weighted = {"weighted"} if self.graph.detector is not None and self.graph.detector.weighted_nms else set()
        return frozenset({"any", kind, "board" if self.is_on_board else "native"} | tied | weighted)


def names() -> tuple[str, ...]:
    """Every subject; "@board" ones run on the simulated board."""
    return ("tiny", *SIZES, *DRAWN, "rnnpool_face_m4@board", "drawn0@board")


def make(name: str) -> Subject:
    """A subject by name, the same each time. Raises KeyError for an unknown one."""
    plain, _, place = name.partition("@")
    torch.manual_seed(0)
    network = of_spec(_spec(plain))
    for cell in network.modules():
        if isinstance(cell, FastGrnn):
            cell.W.data *= LIVELY
            if plain != "tiny" and not plain.endswith("_sparse"):  # as training leaves them: of both signs
                cell.bias_update.data = torch.linspace(-0.5, 0.5, cell.hidden_size)
    if plain.endswith("_sparse"):
        recipe = load_recipe(plain)
        impose(network, recipe, 1.0, loose(network, recipe))
    images = [drawn.draw(network.spec, seed).pixels for seed in range(CALIBRATED)]
    if isinstance(network, Detector):
        expect_few_faces(network)
    settle(
        network,
        torch.stack([torch.from_numpy(p).permute(2, 0, 1) for p in images]),
        lambda what, done: None,
        CALIBRATED,
    )
    if isinstance(network, Detector):
        _level(network, images)
    ranges = calibrate(network, images)
    board = boards.load("stm32f429_disco" if plain in ("rnnpool_face_b", "rnnpool_face_c") else BOARD)
    return Subject(name, network, ranges, compile_network(network, ranges), board, place == "board")


def _level(network: Detector, images: list[np.ndarray]) -> None:
    """Set the heads' biases so that of each source's anchors about as many reach the threshold, BOXES in all."""
    threshold, share = network.spec.score_threshold, BOXES // len(network.conf) * len(images)
    with torch.no_grad():
        batch = network.normalise(torch.stack([torch.from_numpy(pixels).permute(2, 0, 1) for pixels in images]))
        for (_, conf), head in zip(network.maps(batch), network.conf, strict=True):
            margins = np.sort((conf[:, -1] - conf[:, :-1].amax(1)).numpy().ravel())
            count = min(share, 3 * len(margins) // 4)  # of a map of a cell, in three images of four
            reached = float(margins[-count] + margins[-count - 1]) / 2  # between two, so that rounding changes none
            last: Any = head[-1] if isinstance(head, nn.Sequential) else head
            last.bias[-1] += np.log(threshold / (1 - threshold)) - reached


def _spec(name: str) -> DetectorSpec | ClassifierSpec:
    if name in SIZES:
        spec = SPECS[name]
        return dataclasses.replace(spec, input_shape=(spec.input_shape[0], *SIZES[name]))
    if name == "tiny":
        return _TINY
    return _by_lot(DRAWN.index(name), lambda dice: dice.choice((4, 6, 8, 12)))


def _by_lot(seed: int, width: Callable[[random.Random], int]) -> DetectorSpec:
    """A detector whose shapes no published network has."""
    dice = random.Random(seed)
    channels = dice.choice((1, 3))
    rows = (
        Conv(width(dice), stride=2), Pool(dice.choice((4, 6, 10)), dice.choice((3, 4, 8))),
        Mb(width(dice), dice.choice((1, 2, 3))), Source(8, 8, gamma=10, background=3),
        Mb(width(dice), 2, repeat=2), Source(8, 16, gamma=8), Mb(width(dice), 2, stride=2), Source(16, 32),
    )  # fmt: skip
    size = 8 * dice.randrange(5, 8), 8 * dice.randrange(5, 9)
    return DetectorSpec(f"drawn{seed}", rows, (channels, *size), (117.0,) * channels, (1 / 64,) * channels, 0.3)


_TINY = DetectorSpec(
    name="tiny",
    rows=(Conv(4, stride=2), Pool(6, 4), Mb(10, 2), Source(8, 8, gamma=10, background=3), Mb(10, 2), Source(8, 16)),
    input_shape=(1, 40, 56),
    input_mean=(117.312,),
    input_scale=(1 / 64,),
    score_threshold=0.3,
)
