"""A checkpoint of one's own, made ready to be built: activation ranges and bias shifts from a folder of photos."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hil import zoo
from hil.compiler.bias import bias_shifts
from hil.compiler.reading.calibrate import calibrate
from hil.errors import HilError
from hil.firmware.model import OPERATING_POINT
from hil.reference import stored, weights
from hil.reference.catalogue import Network, Spec
from hil.reference.photo import load_photo
from hil.reference.stored import Precision

Step = Callable[[str, float], None]
SHIFTED = 64  # photos; means need fewer of them than the tails of a distribution
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".pgm", ".tif", ".tiff")


def calibrate_checkpoint(
    model: str, folder: Path, out: Path, count: int, step: Step, precision: Precision | None = None
) -> int:
    """Write a copy of a checkpoint with ranges from at most `count` photos of a folder. Returns how many were used.

    precision: weights are rounded to it first, and kept in it. An operating point of the checkpoint is left out: it was
    chosen with other ranges. Raises HilError for a bad checkpoint, an --out that is no .safetensors
    file, and a folder without photos.
    """
    source = _found(model, out)
    network = weights.load(source)
    photos = find_photos(folder, count)
    known = weights.metadata(source)
    if precision:
        stored.round_weights(network, precision)
        known |= {stored.KEY: precision}
    found = calibration(network, Photos(photos, network.spec), step)
    known.pop(OPERATING_POINT, None)
    weights.save(network, out, {**known, **found})
    return len(photos)


def round_checkpoint(model: str, out: Path, precision: Precision) -> None:
    """Write a copy of a calibrated checkpoint with rounded weights, which keeps its ranges, such as learnt ones.

    Raises HilError for a bad checkpoint, one without ranges, and an --out that is no .safetensors file.
    """
    source = _found(model, out)
    network, known = weights.load(source), weights.metadata(source)
    if "ranges" not in known:
        raise HilError(f"{source} has no ranges to keep: give --images, too")
    stored.round_weights(network, precision)
    weights.save(network, out, known | {stored.KEY: precision})


def _found(model: str, out: Path) -> Path:
    """The checkpoint. Raises HilError where there is none, and for an --out of another kind."""
    if out.suffix != zoo.SUFFIX:
        raise HilError(f"{out} must end in {zoo.SUFFIX}: that is the format that keeps ranges beside the weights")
    return zoo.find(model)


@dataclass(frozen=True)
class Photos(Sequence[NDArray[np.uint8]]):
    """Photos as a network takes them, (H, W, C) uint8, each read when it is wanted."""

    paths: list[Path]
    spec: Spec

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:  # type: ignore[override]
        return load_photo(self.paths[index], self.spec, fit=True).pixels


def calibration(network: Network, photos: Sequence[NDArray[np.uint8]], step: Step) -> dict[str, str]:
    """What a checkpoint's metadata must hold to be built: ranges from all photos, bias shifts from SHIFTED of them."""

    def shown(count: int, what: str) -> Iterator[NDArray[np.uint8]]:
        for i in range(count):
            step(f"{what} {count} photos", i / count)
            yield photos[i * len(photos) // count]

    ranges = calibrate(network, shown(len(photos), "calibrating on"))
    shifts = bias_shifts(network, ranges, shown(min(len(photos), SHIFTED), "bias shifts from"))
    return {"ranges": json.dumps(ranges), "bias_shifts": json.dumps(shifts)}


def find_photos(folder: Path, count: int) -> list[Path]:
    """At most `count` photos, evenly spread over a folder and those in it. Raises HilError where there is none."""
    if not folder.is_dir():
        raise HilError(f"{folder} is no folder: --images takes one with photos in it")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise HilError(f"{folder} holds no photos ({', '.join(SUFFIXES)}): name another folder")
    return [found[i * len(found) // count] for i in range(count)] if len(found) > count else found
