"""How fast the simulated board is: `python -m hil.targets.sim.bench firmware.elf [--repeat N] [--timing MODE]...`.

Boots a firmware of the bench's in each mode in turn, streams images of noise to it over the link and prints
instructions a second of CPU time, for the inference as a whole and for the core alone; beside them Unicorn bare, with a
block hook and no timing model. The first image of a mode, which has the code translated, does not count.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hil import board as boards
from hil.errors import HilError
from hil.link import Client
from hil.targets.sim.bare import Bare
from hil.targets.sim.core import unicorn_api
from hil.targets.sim.target import SimTarget

BARE = "bare"
MODES = (BARE, "fast", "full")


class _Stopwatch:
    """CPU time spent inside Unicorn."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._start = unicorn_api.start
        unicorn_api.start = self._timed  # type: ignore[assignment]

    def _timed(self, *arguments: object) -> int:
        begin = time.process_time()
        code = self._start(*arguments)  # type: ignore[arg-type]
        self.seconds += time.process_time() - begin
        return code

    def stop(self) -> None:
        unicorn_api.start = self._start


@dataclass(frozen=True)
class Speed:
    """Of one image. seconds: of CPU time, core_seconds: those inside Unicorn; the rest is the link."""

    instructions: int
    cycles: int
    seconds: float
    core_seconds: float

    @property
    def core(self) -> float:
        """Instructions a second while the core runs."""
        return self.instructions / self.core_seconds

    @property
    def link_share(self) -> float:
        return 1 - self.core_seconds / self.seconds


def measure(elf: Path, repeat: int, mode: str) -> list[Speed]:
    """The speed of each image; the first one includes the translation of the code."""
    stopwatch = _Stopwatch()
    board = _board_of(elf)
    speeds = []
    try:
        with SimTarget(board, model=Bare()) if mode == BARE else SimTarget(board, timing=mode) as target:  # type: ignore[arg-type]
            target.boot(elf)
            client = Client(target)
            hello = client.hello()
            noise = np.random.default_rng(0)
            for _ in range(repeat):
                image = noise.integers(0, 256, (hello.height, hello.width, hello.channels), np.uint8)
                before, stopwatch.seconds, begin = target.observed(), 0.0, time.process_time()
                client.infer(image)
                seconds = time.process_time() - begin
                after = target.observed()
                instructions = (after.instructions or 0) - (before.instructions or 0)
                cycles = (after.cycles or 0) - (before.cycles or 0)
                speeds.append(Speed(instructions, cycles, seconds, stopwatch.seconds))
    finally:
        stopwatch.stop()
    return speeds


def described(mode: str, speeds: list[Speed], bare: Speed | None) -> str:
    """A line of the table: the best of the images behind the first."""
    best = min(speeds[1:] or speeds, key=lambda speed: speed.core_seconds)
    beside = f", {best.core / bare.core:.2f} of bare" if bare else ""
    whole = best.instructions / best.seconds / 1e6
    counts = f"{best.instructions / 1e6:.1f} M instructions, {best.cycles / 1e6:.1f} M cycles"
    link = f"link {best.link_share:.0%} of the time; first image {speeds[0].seconds:.2f} s"
    return f"{mode}: {counts}; {whole:.0f} M instr/s, core alone {best.core / 1e6:.0f}{beside}; {link}"


def _board_of(elf: Path) -> boards.Board:
    """The board whose name is part of the path, else the default one."""
    names = [name for name in boards.names() if name in str(elf)]
    return boards.load(names[0] if names else "stm32f407_disco")


def main() -> int:
    """Command line: prints the figures, returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("elf", type=Path)
    parser.add_argument("--repeat", type=int, default=3, help="images to stream in each mode")
    parser.add_argument("--timing", choices=MODES, action="append", help="a mode; all without")
    arguments = parser.parse_args()
    bare: Speed | None = None
    try:
        for mode in arguments.timing or MODES:
            speeds = measure(arguments.elf, arguments.repeat, mode)
            sys.stdout.write(described(mode, speeds, bare) + "\n")
            if mode == BARE:
                bare = min(speeds[1:] or speeds, key=lambda speed: speed.core_seconds)
    except HilError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
