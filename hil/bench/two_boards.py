"""Two boards in one emulation of Renode: a camera that plays photos from its flash, and the detector that they go to.

The camera (firmware_src/camera) is the host's end of the link; both run in lock-step virtual time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hil.board import Board
from hil.board.generate import write_two_boards
from hil.errors import HilError
from hil.files import write_bytes
from hil.firmware.beside import build_beside
from hil.link.messages import DETECTION
from hil.targets.pyrenode.process import Renode
from hil.targets.symbols import symbols

MOST_PHOTOS = 8  # as in firmware_src/camera/main.c
_MOST_BYTES = 240
_STEP_S = 0.1
_HEAD = 12


@dataclass(frozen=True)
class Played:
    """What the camera holds.

    detections: of each photo that is done, the best twelve at most, (x0, y0, x1, y1, score). repeated: requests;
    seconds: virtual.
    """

    detections: list[list[tuple[float, ...]]]
    repeated: int
    seconds: float


def write_project(board: Board, detector: Path, photos: Sequence[NDArray[np.uint8]], folder: Path) -> Path:
    """Two firmwares, platform and script for Renode, in a folder. Returns the script, two_boards.resc.

    detector: the detector's ELF; photos: as its network takes them. Raises HilError for too many photos, photos of
    several sizes, and where the camera does not build.
    """
    sizes = {photo.nbytes for photo in photos}
    if not 1 <= len(photos) <= MOST_PHOTOS or len(sizes) != 1:
        given = f"{len(photos)} of {len(sizes)} sizes"
        raise HilError(f"the camera plays 1 to {MOST_PHOTOS} photos of one size, not {given}")
    script = write_two_boards(board, folder)
    write_bytes(folder / "detector.elf", detector.read_bytes())
    content = b"".join(photo.tobytes() for photo in photos)
    build_beside(
        "camera", board, folder / "camera.elf", files={"CAMERA_PHOTOS": content}, CAMERA_PHOTO_BYTES=sizes.pop()
    )
    return script


def play(folder: Path, photos: int, patience_s: float) -> Played:
    """Run a project's script until so many photos are done. patience_s: of virtual time, for all of them.

    Raises HilError where the camera gives up or is not done in that time, and where Renode does not work here.
    """
    place = symbols(folder / "camera.elf").address("camera")
    assert place is not None, "the camera keeps its results there"
    renode = Renode()
    try:
        for line in (folder / "two_boards.resc").read_text().splitlines():
            if line and not line.startswith(("#", "include")):  # our parts of the platform are there already
                renode.command(line.replace("$ORIGIN", f"@{folder.resolve()}"))
        renode.command('mach set "camera"')
        seconds = 0.0
        while seconds < patience_s:
            renode.command(f'emulation RunFor "{_STEP_S}"')
            seconds += _STEP_S
            done, repeated, has_given_up = _words(renode, place, 3)
            if has_given_up:
                raise HilError(f"the camera gives up after {done} of {photos} photos: the detector does not answer")
            if done == photos:
                found = [_detections(renode, place + _HEAD + i * (4 + _MOST_BYTES)) for i in range(photos)]
                return Played(found, repeated, seconds)
    finally:
        renode.end()
    raise HilError(f"the camera has played {done} of {photos} photos in {patience_s:g} s")


def _detections(renode: Renode, place: int) -> list[tuple[float, ...]]:
    (size,) = _words(renode, place, 1)
    words = np.array(_words(renode, place + 4, size // 4), "<u4")
    return DETECTION.rows(words.tobytes(), size // DETECTION.size)


def _words(renode: Renode, place: int, count: int) -> list[int]:
    return [int(renode.command(f"sysbus ReadDoubleWord {place + 4 * i:#x}"), 16) for i in range(count)]
