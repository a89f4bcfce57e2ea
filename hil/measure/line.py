"""How busy the line to a board is kept, in the board's own time: images one by one, and in a row.

    python -m hil.measure.line rnnpool_face_m4 FOLDER --boards 8

builds the firmware with receive rings of several sizes and runs FOLDER's photos on simulated boards, each in a process.
The time is the simulated boards': their UARTs give each byte what 921,600 baud give it, however slow this computer is.
"""

from __future__ import annotations

import argparse
import multiprocessing
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hil import board as boards
from hil.firmware.build import build
from hil.firmware.model import model_spec
from hil.firmware.stamp import write_hash
from hil.link import Client
from hil.reference.photo import load_photo
from hil.targets.sim.target import SimTarget

BOARD = "stm32f407_disco"
RINGS = (2048, 4096, 8192, 16384)  # bytes; the first is what a firmware has unless told otherwise
BITS_A_BYTE = 10  # start, eight, stop


@dataclass(frozen=True)
class Busy:
    """Of one board. seconds: of its time a photo; line_s: of them the line needs; is_exact: the ways' boxes agree."""

    one_by_one_s: float
    in_a_row_s: float
    line_s: float
    is_exact: bool


def measure(elf: Path, images: Sequence[np.ndarray]) -> Busy:
    """A simulated board that runs images one by one, then in a row. Link errors pass."""
    with SimTarget(boards.load(BOARD)) as sim:
        sim.boot(elf)
        client = Client(sim)
        client.hello()

        def now() -> float:
            seen = sim.observed()
            assert seen is not None and seen.seconds is not None
            return seen.seconds

        begun = now()
        single = [client.infer(image).detections for image in images]
        between, sent = now(), client.statistics.bytes_out
        row = [result.detections for result in client.infer_many(images)]
        end, bytes_out = now(), client.statistics.bytes_out - sent
        count, baud = len(images), sim.board.uart.baud
        line_s = bytes_out * BITS_A_BYTE / baud / count
        return Busy((between - begun) / count, (end - between) / count, line_s, single == row)


def with_ring(generated: Path, ring_bytes: int, folder: Path) -> Path:
    """A generated directory's firmware, built into a folder with a receive ring of another size."""
    for command in (
        ["cmake", "--preset", BOARD, "-B", str(folder), f"-DHIL_RX_RING_BYTES={ring_bytes}"],
        ["cmake", "--build", str(folder)],
    ):
        subprocess.run(command, cwd=generated, check=True, capture_output=True)
    elf = folder / "firmware.elf"
    write_hash(elf)
    return elf


def main() -> None:
    """The table of docs/lab.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--boards", type=int, default=8)
    parser.add_argument("--photos", type=int, default=4, help="for each board")
    parser.add_argument("--rings", type=int, nargs="*", default=RINGS)
    asked = parser.parse_args()
    firmware, spec = build(asked.model, BOARD), model_spec(asked.model)
    files = sorted(asked.folder.rglob("*.jpg"))[: asked.boards * asked.photos]
    images = [load_photo(file, spec, fit=True).pixels for file in files]
    given = [images[i :: asked.boards] for i in range(asked.boards)]
    print("| ring | one by one | in a row | of the line's photos a second | boxes agree |\n|---|---|---|---|---|")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context) as pool, tempfile.TemporaryDirectory() as folder:
        for ring in asked.rings:
            elf = with_ring(firmware.directory, ring, Path(folder) / str(ring))
            found = list(pool.map(measure, [elf] * asked.boards, given))
            one, row, line = (
                sum(getattr(one, name) for one in found) / len(found)
                for name in ("one_by_one_s", "in_a_row_s", "line_s")
            )
            exact = "yes" if all(one.is_exact for one in found) else "no"
            shares = f"{100 * line / one:.1f} % | {row:.3f} s, {100 * line / row:.1f} %"
            print(f"| {ring} | {one:.3f} s, {shares} | {len(found) / row:.2f} of {len(found) / line:.2f} | {exact} |")


if __name__ == "__main__":
    main()
