"""What looking costs: the simulated board's processor time with coverage, as a timeline, and with an idle GDB server.

    PYTHONPATH=tests python tests/measure_looking.py --times 3

Each way boots the board and runs one image; the least of some runs counts, for what else the computer does only adds
to it. A GDB server makes the timing model run in its full mode: that is its base.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hil import board as boards
from hil import targets
from hil.bench.session import Bench
from hil.debug import DebugTarget
from hil.firmware.build import Firmware, build
from hil.firmware.model import model_spec
from hil.measure.timeline import trace_image
from hil.reference.photo import Photo, from_array, sample_photo
from hil.targets.base import Target
from hil.targets.sim.ran import VARIABLE

MODEL, BOARD = "rnnpool_face_m4", "stm32f407_disco"


def run(firmware: Firmware, photo: Photo, target: Target) -> None:
    """One image on a board of its own."""
    with Bench(firmware, target) as bench:
        bench.client.infer(photo.pixels)


def covered(firmware: Firmware, photo: Photo, folder: Path) -> None:
    """The same, with what ran left in a folder."""
    os.environ[VARIABLE] = str(folder)
    try:
        run(firmware, photo, targets.create("sim", firmware.board))
    finally:
        del os.environ[VARIABLE]


def least(what: Callable[[], object], times: int) -> float:
    """Seconds of this process, at least; the first time is thrown away."""
    taken = []
    for _ in range(times + 1):
        begun = time.process_time()
        what()
        taken.append(time.process_time() - begun)
    return min(taken[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3)
    times = parser.parse_args().times
    board = boards.load(BOARD)
    firmware, photo = build(MODEL, BOARD), from_array(sample_photo(model_spec(MODEL)))
    with tempfile.TemporaryDirectory() as folder:
        plain = least(lambda: run(firmware, photo, targets.create("sim", board)), times)
        coverage = least(lambda: covered(firmware, photo, Path(folder)), times)
        traced = least(lambda: trace_image(firmware, photo), times)
        full = least(lambda: run(firmware, photo, targets.create("sim", board, timing="full")), times)
        idle = least(lambda: run(firmware, photo, DebugTarget(board, say=print, waits="fault", port=0)), times)
    print(f"plain {plain:.2f} s; coverage {coverage / plain:.2f} times; trace {traced / plain:.2f} times")
    print(f"full mode {full:.2f} s; an idle GDB server {idle / full:.2f} times")


if __name__ == "__main__":
    main()
