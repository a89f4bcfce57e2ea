"""How busy the line to a board is kept, in the board's own time: images one by one, and in a row.

    python -m hil.measure.line rnnpool_face_m4 FOLDER --boards 8

runs FOLDER's photos on simulated boards, each in a process, with the firmware as it is built; --rings N ... builds it
with other receive rings as well. The time is the simulated boards': their UARTs give each byte what 921,600 baud give
it, however slow this computer is. A line allows what it takes to send an image in the longest frames that the board
takes, without a pause.
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
from hil.link import Client, messages
from hil.link.frames import wire_bytes
from hil.reference.photo import load_photo
from hil.targets.sim.target import SimTarget

BOARD = "stm32f407_disco"
BITS_A_BYTE = 10  # start, eight, stop


@dataclass(frozen=True)
class Busy:
    """Of one board, in seconds of its time a photo. line_s: that the line needs; is_exact: the ways' boxes agree."""

    one_by_one_s: float
    in_a_row_s: float
    line_s: float
    is_exact: bool

    @property
    def share(self) -> float:
        """Of the photos that the line allows, in a row."""
        return self.line_s / self.in_a_row_s


def measure(elf: Path, images: Sequence[np.ndarray]) -> Busy:
    """A simulated board that runs images one by one, then in a row. Link errors pass."""
    with SimTarget(boards.load(BOARD)) as sim:
        sim.boot(elf)
        client = Client(sim)
        hello = client.hello()

        def now() -> float:
            seen = sim.observed()
            assert seen is not None and seen.seconds is not None
            return seen.seconds

        begun = now()
        single = [client.infer(image).detections for image in images]
        between = now()
        row = [result.detections for result in client.infer_many(images)]
        end, count = now(), len(images)
        line_s = line_bytes(images[0].size, hello.max_payload) * BITS_A_BYTE / sim.board.uart.baud
        return Busy((between - begun) / count, (end - between) / count, line_s, single == row)


def line_bytes(image_bytes: int, max_payload: int) -> int:
    """Bytes on the wire that an image takes in as few frames as it can."""
    longest = max_payload - messages.TILE_HEADER_BYTES
    whole, rest = divmod(image_bytes, longest)
    return whole * wire_bytes(max_payload) + (wire_bytes(rest + messages.TILE_HEADER_BYTES) if rest else 0)


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
    parser.add_argument("--rings", type=int, nargs="*", default=[], help="other receive rings, in bytes")
    asked = parser.parse_args()
    firmware, spec = build(asked.model, BOARD), model_spec(asked.model)
    files = sorted(asked.folder.rglob("*.jpg"))[: asked.boards * asked.photos]
    images = [load_photo(file, spec, fit=True).pixels for file in files]
    given = [images[i :: asked.boards] for i in range(asked.boards)]
    print("| ring | one by one | in a row | of the line's photos a second | boxes agree |\n|---|---|---|---|---|")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context) as pool, tempfile.TemporaryDirectory() as folder:
        for ring in (None, *asked.rings):
            elf = firmware.elf if ring is None else with_ring(firmware.directory, ring, Path(folder) / str(ring))
            print(_line(ring, list(pool.map(measure, [elf] * asked.boards, given))), flush=True)


def _line(ring: int | None, found: Sequence[Busy]) -> str:
    one, row, line = (
        sum(getattr(busy, name) for busy in found) / len(found) for name in ("one_by_one_s", "in_a_row_s", "line_s")
    )
    exact = "yes" if all(busy.is_exact for busy in found) else "no"
    shares = f"{100 * line / one:.1f} % | {row:.3f} s, {100 * line / row:.1f} %"
    photos = f"{len(found) / row:.2f} of {len(found) / line:.2f}"
    return f"| {ring or 'as built'} | {one:.3f} s, {shares} | {photos} | {exact} |"


if __name__ == "__main__":
    main()
