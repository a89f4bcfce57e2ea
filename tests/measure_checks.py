"""What holding layers against floating point costs a run: `python tests/measure_checks.py`, M4 on this computer."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch

from hil import targets
from hil.bench import judge as judging
from hil.bench.drawn import draw
from hil.bench.limits import Measurement
from hil.bench.session import Bench
from hil.firmware.build import build

IMAGES, TIMES, EARLIER = 14, 2, 3  # the first image has all layers
NOTHING = [Measurement("layers.distance_to_float", 0, "step"), Measurement("layers.cut_off", 0, "of the energy")]


def main() -> None:
    torch.set_num_threads(1)
    looking = judging._of_layers
    spent = {True: 0.0, False: 0.0}
    with tempfile.TemporaryDirectory() as folder:
        firmware = build("rnnpool_face_m4", "stm32f407_disco", Path(folder), preset="native")
        with Bench(firmware, targets.create("native", firmware.board)) as bench:
            for seed in range(EARLIER + IMAGES):
                photo = draw(firmware.network.spec, seed)
                for looks in (True, False):
                    judging._of_layers = looking if looks else lambda found, firmware: NOTHING
                    taken = []
                    for _ in range(TIMES):
                        begun = time.process_time()
                        bench.run(photo)
                        taken.append(time.process_time() - begun)
                    spent[looks] += min(taken) if seed >= EARLIER else 0.0
    mean, share = spent[True] / IMAGES, spent[True] / spent[False] - 1
    print(f"{mean:.3f} s a photo in the bench's process, {share:.1%} more than without")


if __name__ == "__main__":
    main()
