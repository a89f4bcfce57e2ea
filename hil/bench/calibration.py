"""A checkpoint of one's own, made ready to be built: activation ranges from a folder of photos."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hil import zoo
from hil.bench.photo import load_photo
from hil.compiler import calibrate
from hil.errors import HilError
from hil.reference import weights

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".pgm", ".tif", ".tiff")


def calibrate_checkpoint(model: str, folder: Path, out: Path, count: int, step: Callable[[str, float], None]) -> int:
    """Write a copy of a checkpoint with ranges from at most `count` photos of a folder. Returns how many were used.

    Raises HilError for a bad checkpoint, an --out that is no .safetensors file, and a folder without photos.
    """
    if out.suffix != zoo.SUFFIX:
        raise HilError(f"{out} must end in {zoo.SUFFIX}: that is the format that keeps ranges beside the weights")
    source = zoo.find(model)
    network = weights.load(source)
    photos = find_photos(folder, count)

    def images() -> Iterator[NDArray[np.uint8]]:
        for i, path in enumerate(photos):
            step(f"calibrating on {len(photos)} photos", i / len(photos))
            yield load_photo(path, network.spec, fit=True).pixels

    ranges = calibrate(network, images())
    known = weights.metadata(source) if source.suffix == zoo.SUFFIX else {}
    weights.save(network, out, {**known, "ranges": json.dumps(ranges)})
    return len(photos)


def find_photos(folder: Path, count: int) -> list[Path]:
    """At most `count` photos, evenly spread over a folder and those in it. Raises HilError where there is none."""
    if not folder.is_dir():
        raise HilError(f"{folder} is no folder: --images takes one with photos in it")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise HilError(f"{folder} holds no photos ({', '.join(SUFFIXES)}): name another folder")
    return [found[i * len(found) // count] for i in range(count)] if len(found) > count else found
