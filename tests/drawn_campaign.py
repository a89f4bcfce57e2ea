"""Networks drawn by lot over all layers, bit by bit on native and on the simulated board, fast and portable kernels.

    PYTHONPATH=tests python tests/drawn_campaign.py --first 1000 --count 24

Every kind of layer has its turn; each network takes three images. A line a network, exit code 1 where one differs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from drawn import KINDS, DrawnNetwork
from networks import images, quantised, randomise

from hil import board as boards
from hil import targets
from hil.bench.session import Bench
from hil.compiler import run
from hil.firmware.build import NATIVE, build_graph

WAYS = {"native": (NATIVE, "fast"), "fast": (None, "fast"), "portable": (None, "portable")}  # preset, kernels


def differing(seed: int, folder: Path, board: boards.Board) -> tuple[DrawnNetwork, list[str]]:
    """The network of a seed, and what is not as the integer reference has it: WAY: TENSOR."""
    network = randomise(DrawnNetwork(seed, KINDS[seed % len(KINDS)]))
    graph = quantised(network)
    pictures = [*images(network, 2, seed=seed), np.full_like(images(network)[0], 255)]
    found = []
    for way, (preset, kernels) in WAYS.items():
        firmware = build_graph(graph, network, board, folder / way, preset, kernels)
        with Bench(firmware, targets.create("native" if preset == NATIVE else "sim", board)) as bench:
            for picture in pictures:
                result = bench.infer(picture)
                found += [f"{way}: {name}" for name in bench.differing_tensors(result, run(graph, picture))]
    return network, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=1000, help="the first seed")
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--board", default="stm32f407_disco")
    options = parser.parse_args()
    bad = 0
    for seed in range(options.first, options.first + options.count):
        with tempfile.TemporaryDirectory() as folder:
            network, found = differing(seed, Path(folder), boards.load(options.board))
        layers = ", ".join(type(layer).__name__ for layer in network.layers)
        print(f"{seed} ({KINDS[seed % len(KINDS)]}: {layers}): {'; '.join(found) or 'bit-exact'}", flush=True)
        bad += bool(found)
    print(f"{options.count} networks, {bad} differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
