"""How fast the simulated board is: `python -m hil.targets.sim.bench firmware.elf [--repeat N] [--timing MODE]...`.

Boots a firmware of the bench's in each mode, streams images of noise to it over the link, to one mode after the other,
and prints instructions a second of CPU time, for the inference as a whole and for the core alone; beside them Unicorn
bare, with a block hook and no timing model. The first image of a mode, which has the code translated, does not count.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from hil import board as boards
from hil.errors import HilError
from hil.link import Client
from hil.targets.sim.bare import Bare
from hil.targets.sim.core import core
from hil.targets.sim.peripherals.bus import Bus
from hil.targets.sim.target import SimTarget

BARE = "bare"
MODES = (BARE, "fast", "full")


class _Stopwatch:
    """CPU time spent inside Unicorn, and of that in registers that are Python."""

    def __init__(self) -> None:
        self.begin()
        self._kept = core.run_native, Bus.read, Bus.write
        core.run_native = self._timed("seconds", core.run_native)
        Bus.read, Bus.write = (self._timed("register_seconds", one) for one in (Bus.read, Bus.write))  # type: ignore[method-assign]

    def begin(self) -> None:
        """Both are 0 again."""
        self.seconds = self.register_seconds = 0.0

    def _timed(self, what: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            begin = time.process_time()
            result = function(*arguments)
            setattr(self, what, getattr(self, what) + time.process_time() - begin)
            return result

        return timed

    def stop(self) -> None:
        core.run_native, Bus.read, Bus.write = self._kept  # type: ignore[method-assign]


@dataclass(frozen=True)
class Speed:
    """Of one image. seconds: of CPU time; core_seconds: those inside Unicorn, the rest is the link; register_seconds:
    of the core's, in peripherals."""

    instructions: int
    cycles: int
    seconds: float
    core_seconds: float
    register_seconds: float

    @property
    def core(self) -> float:
        """Instructions a second while the core runs."""
        return self.instructions / self.core_seconds

    @property
    def link_share(self) -> float:
        return 1 - self.core_seconds / self.seconds

    @property
    def register_share(self) -> float:
        return self.register_seconds / self.seconds


class _Run:
    """A firmware that takes one image of noise after another, in one mode."""

    def __init__(self, elf: Path, mode: str) -> None:
        board = _board_of(elf)
        is_bare = mode == BARE
        self._target = SimTarget(board, model=Bare()) if is_bare else SimTarget(board, timing=mode)  # type: ignore[arg-type]
        self._target.boot(elf)
        self._client = Client(self._target)
        self._hello = self._client.hello()
        self._noise = np.random.default_rng(0)

    def image(self, stopwatch: _Stopwatch) -> Speed:
        hello, observed = self._hello, self._target.observed
        image = self._noise.integers(0, 256, (hello.height, hello.width, hello.channels), np.uint8)
        stopwatch.begin()
        before, begin = observed(), time.process_time()
        self._client.infer(image)
        seconds = time.process_time() - begin
        after = observed()
        instructions = (after.instructions or 0) - (before.instructions or 0)
        cycles = (after.cycles or 0) - (before.cycles or 0)
        return Speed(instructions, cycles, seconds, stopwatch.seconds, stopwatch.register_seconds)

    def close(self) -> None:
        self._target.close()


def measure(elf: Path, repeat: int, modes: Sequence[str]) -> dict[str, list[Speed]]:
    """The speed of each image, the modes in turn for each; the first one includes the translation of the code."""
    stopwatch = _Stopwatch()
    runs: dict[str, _Run] = {}
    speeds: dict[str, list[Speed]] = {mode: [] for mode in modes}
    try:
        for mode in modes:
            runs[mode] = _Run(elf, mode)
        for _ in range(repeat):
            for mode, run in runs.items():
                speeds[mode].append(run.image(stopwatch))
    finally:
        stopwatch.stop()
        for run in runs.values():
            run.close()
    return speeds


def described(mode: str, speeds: list[Speed], bare: list[Speed] | None) -> str:
    """A line of the table: medians of the images behind the first, beside bare those of the images of the same turn."""
    counted = speeds[1:] or speeds
    middle = sorted(counted, key=lambda speed: speed.core_seconds)[len(counted) // 2]
    shares = [one.core / other.core for one, other in zip(counted, bare[1:] or bare, strict=True)] if bare else []
    beside = f", {median(shares):.2f} of bare ({min(shares):.2f} to {max(shares):.2f})" if shares else ""
    whole = middle.instructions / middle.seconds / 1e6
    counts = f"{middle.instructions / 1e6:.1f} M instructions, {middle.cycles / 1e6:.1f} M cycles"
    share, registers = (median(getattr(one, what) for one in counted) for what in ("link_share", "register_share"))
    link = f"link {share:.1%} of the time, registers {registers:.1%}; first image {speeds[0].seconds:.2f} s"
    return f"{mode}: {counts}; {whole:.0f} M instr/s, core alone {middle.core / 1e6:.0f}{beside}; {link}"


def _board_of(elf: Path) -> boards.Board:
    """The board whose name is part of the path, else the default one."""
    names = [name for name in boards.names() if name in str(elf)]
    return boards.load(names[0] if names else "stm32f407_disco")


def main() -> int:
    """Command line: prints the figures, returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("elf", type=Path)
    parser.add_argument("--repeat", type=int, default=6, help="images to stream in each mode")
    parser.add_argument("--timing", choices=MODES, action="append", help="a mode; all without")
    arguments = parser.parse_args()
    modes = arguments.timing or MODES
    try:
        speeds = measure(arguments.elf, arguments.repeat, modes)
    except HilError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for mode in modes:
        beside = speeds.get(BARE) if mode != BARE else None
        sys.stdout.write(described(mode, speeds[mode], beside) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
