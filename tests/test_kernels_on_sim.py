"""The Cortex-M4 kernels on the simulated board against the integer interpreter: shapes that M4 alone does not have.

The generated C is the same as on the host, the inner loops are not: `HIL_DSP` picks dual multiplies and blocks of two
and three, whose odd ends these networks reach.
"""

from __future__ import annotations

import subprocess
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import DrawnNetwork
from networks import (
    TINY,
    Classifier,
    ClassifierSpec,
    RandomNetwork,
    detector,
    images,
    in_blocks,
    quantised,
    randomise,
    small,
    tied,
)
from stub_firmware import need
from torch import Tensor, nn

from hil import board as boards
from hil import targets
from hil.compiler import QuantisedGraph, detect, emit, make_plan, run, tensors
from hil.link import Client
from hil.reference.backbones import SqueezeExcite
from hil.reference.blocks import ConvBnRelu6
from hil.reference.networks import Conv, Mb, Pool, Source

BOARD = boards.load("stm32f407_disco")
ODD = replace(
    TINY,
    rows=(
        Conv(4, stride=2),
        Conv(6, kernel=5),
        Pool(5, 3),  # odd hidden sizes: no pairs
        Mb(20, 3),
        Source(8, 8, gamma=10, background=2),
        Mb(20, 1),
        Source(8, 16, kernel=5),
        Mb(12, 2, stride=2),
        Source(16, 32, kernel=1),
    ),
    input_shape=(1, 56, 72),
)


class RepeatedAndScaled(nn.Module):
    """Channels repeated twice and three times, maps times a number a channel: by words of four, and what is left."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(11)
        self.spec = ClassifierSpec("repeated_and_scaled", (3, 22, 26))
        self.layers = nn.Sequential(
            ConvBnRelu6(3, 8, 3, 2),
            nn.Conv2d(8, 16, 3, padding=1, groups=8),
            SqueezeExcite(16, 8),
            ConvBnRelu6(16, 5, 1),
            nn.Conv2d(5, 15, 3, padding=1, groups=5),
            SqueezeExcite(15, 8),
            nn.AdaptiveAvgPool2d(1),
        )
        self.linear = nn.Linear(15, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.layers(x).flatten(1))


class FourAtATime(nn.Module):
    """Convolutions with kernel rows of up to 16 words and a multiple of four outputs, on rows of an odd width."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(12)
        self.spec = ClassifierSpec("four_at_a_time", (3, 34, 42))
        self.layers = nn.Sequential(
            ConvBnRelu6(3, 4, 3, 2),
            nn.Conv2d(4, 8, 5, padding=2),
            ConvBnRelu6(8, 16, 3),
            nn.Conv2d(16, 8, 2, padding=1),
            nn.Conv2d(8, 12, 4, 2, 1),
        )
        self.linear = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.layers(x).mean([2, 3]))


class ManyChannels(nn.Module):
    """Depthwise convolutions whose columns lie 256 bytes apart, and so far apart that a turn makes one output."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(13)
        self.spec = ClassifierSpec("many_channels", (3, 18, 46))
        self.layers = nn.Sequential(
            ConvBnRelu6(3, 8, 3, 2),
            ConvBnRelu6(8, 264, 1),
            ConvBnRelu6(264, 264, 3, groups=264),
            nn.Conv2d(264, 264, 3, 2, 1, groups=264),
            nn.Conv2d(264, 8, 1),
            nn.Conv2d(8, 1400, 1),
            ConvBnRelu6(1400, 1400, 3, groups=1400),
        )
        self.linear = nn.Linear(1400, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.layers(x).mean([2, 3]))


CASES: dict[str, Callable[[], nn.Module]] = {
    "tiny": lambda: detector(TINY),
    "odd sizes": lambda: detector(ODD),
    "three colours": lambda: small("rnnpool_face_quant", 96, 128),
    "classifier": lambda: randomise(Classifier()),
    "m4, tied": lambda: tied(small("rnnpool_face_m4", 72, 88)),
    "m4 in blocks": lambda: in_blocks(small("rnnpool_face_m4", 72, 88)),
    "m4 in blocks, tied": lambda: in_blocks(tied(small("rnnpool_face_m4", 80, 96))),
    "four at a time": lambda: randomise(FourAtATime()),
    "many channels": lambda: randomise(ManyChannels()),
    "repeated and scaled": lambda: randomise(RepeatedAndScaled()),
    **{f"random {seed}": lambda seed=seed: randomise(RandomNetwork(seed)) for seed in range(6)},
    **{
        kind: lambda i=i, kind=kind: randomise(DrawnNetwork(200 + i, kind))
        for i, kind in enumerate(
            ("largest", "average", "dilated", "dilated_depthwise", "beside", "transposed", "sum_relu", "gru", "lstm")
        )
    },
}


def _firmware(graph: QuantisedGraph, folder: Path, *options: str) -> Path:
    need("cmake", "arm-none-eabi-gcc")
    generated = emit(graph, make_plan(graph, BOARD), BOARD, folder / "generated")
    command = ["cmake", "--preset", BOARD.name, *options]
    subprocess.run(command, cwd=generated, check=True, capture_output=True)
    built = subprocess.run(["cmake", "--build", "--preset", BOARD.name], cwd=generated, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return generated / "out" / BOARD.name / "firmware.elf"


def assert_bit_exact(graph: QuantisedGraph, elf: Path, network: nn.Module) -> None:
    extremes = [np.full_like(images(network)[0], value) for value in (0, 255)]
    with targets.create("sim", BOARD) as target:
        target.boot(elf)
        client = Client(target)
        client.hello()
        for image in [*images(network, 2, seed=9), *extremes]:
            trace, result = run(graph, image), client.infer(image, digests=True)
            differing = [
                shown.name
                for shown, digest in zip(tensors(graph), result.digests or [], strict=True)
                if zlib.crc32(trace[shown.name].tobytes()) != digest
            ]
            assert differing == []
            np.testing.assert_array_equal(np.array(result.detections, np.float32).reshape(-1, 5), detect(graph, trace))


@pytest.mark.parametrize("case", CASES)
def test_every_layer_and_box_is_bit_equal(case: str, tmp_path: Path) -> None:
    network = CASES[case]()
    graph = quantised(network)
    assert_bit_exact(graph, _firmware(graph, tmp_path), network)


@pytest.mark.parametrize("case", ["tiny", "m4 in blocks, tied"])
def test_the_portable_kernels_give_the_same_bits(case: str, tmp_path: Path) -> None:
    network = CASES[case]()
    graph = quantised(network)
    assert_bit_exact(graph, _firmware(graph, tmp_path, "-DHIL_KERNELS=portable"), network)
