"""How fast the simulated board is: `python -m hil.targets.sim.bench firmware.elf [--repeat N] [--timing fast|full]`.

Boots a firmware of the bench's, streams an image of noise to it over the link and prints instructions a second of CPU
time, for the inference as a whole and for the core alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import get_args

import numpy as np

from hil import board as boards
from hil.errors import HilError
from hil.link import Client
from hil.targets.sim.core import unicorn_api
from hil.targets.sim.target import SimTarget
from hil.timing.compiled.engine import Mode


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


def measure(elf: Path, repeat: int, timing: Mode) -> list[str]:
    """One line of figures for each image; the first one includes the translation of the code."""
    stopwatch = _Stopwatch()
    lines = []
    with SimTarget(_board_of(elf), timing=timing) as target:
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
            lines.append(
                f"{instructions / 1e6:.1f} M instructions, {cycles / 1e6:.1f} M cycles in {seconds:.2f} s of CPU time: "
                f"{instructions / seconds / 1e6:.0f} M instr/s, core alone {instructions / stopwatch.seconds / 1e6:.0f}"
            )
    return lines


def _board_of(elf: Path) -> boards.Board:
    """The board whose name is part of the path, else the default one."""
    names = [name for name in boards.names() if name in str(elf)]
    return boards.load(names[0] if names else "stm32f407_disco")


def main() -> int:
    """Command line: prints the figures, returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("elf", type=Path)
    parser.add_argument("--repeat", type=int, default=3, help="images to stream")
    parser.add_argument("--timing", choices=get_args(Mode), default="fast", help="the timing model's mode")
    arguments = parser.parse_args()
    try:
        for line in measure(arguments.elf, arguments.repeat, arguments.timing):
            sys.stdout.write(line + "\n")
    except HilError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
