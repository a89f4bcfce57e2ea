"""Other people's checkpoints, made ready to be built: tensors from EdgeML, activation ranges from photos."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hil import zoo
from hil.bench.calibration import calibrate_checkpoint, find_photos
from hil.bench.photo import fit_image
from hil.errors import HilError
from hil.reference import edgeml, weights
from hil.reference.catalogue import Network, Spec

Step = Callable[[str, float], None]
SAMPLES = ("astronaut", "chelsea", "coffee", "rocket", "retina", "camera", "coins", "brick", "grass", "moon", "page")
SCALES = (1.0, 0.5)  # of a sample's size: the whole of it, and its middle


def import_edgeml(checkpoint: Path, model: str, out: Path, images: Path | None, count: int, step: Step) -> int:
    """Write an EdgeML checkpoint as one of ours, with ranges from photos. Returns from how many.

    images: a folder of typical photos, of which `count` are used; without it, the few that come with scikit-image.
    Raises HilError as hil.reference.edgeml.load does, and for an --out that is no .safetensors file.
    """
    if out.suffix != zoo.SUFFIX:
        raise HilError(f"{out} must end in {zoo.SUFFIX}: that is the format that keeps ranges beside the weights")
    if images is not None:
        find_photos(images, count)  # its complaints before anything is written
    step(f"reading {checkpoint.name}", 0)
    network = edgeml.load(checkpoint, model)
    source = {"source": checkpoint.name, "source_sha256": hashlib.sha256(checkpoint.read_bytes()).hexdigest()}
    weights.save(network, out, source)
    if images is not None:
        return calibrate_checkpoint(str(out), images, out, count, step)
    return _calibrate_on_samples(network, out, source, step)


def _calibrate_on_samples(network: Network, out: Path, source: dict[str, str], step: Step) -> int:
    from hil.compiler import calibrate

    samples = list(sample_photos(network.spec))

    def shown() -> Iterator[NDArray[np.uint8]]:
        for i, pixels in enumerate(samples):
            step(f"calibrating on {len(samples)} sample photos", i / len(samples))
            yield pixels

    weights.save(network, out, {**source, "ranges": json.dumps(calibrate(network, shown()))})
    return len(samples)


def sample_photos(spec: Spec) -> Iterator[NDArray[np.uint8]]:
    """The photos that come with scikit-image and their middles, (H, W, C) uint8 as a network takes them."""
    from PIL import Image
    from skimage import data

    for name in SAMPLES:
        photo = Image.fromarray(getattr(data, name)())
        for scale in SCALES:
            left, top = (round(edge * (1 - scale) / 2) for edge in photo.size)
            yield fit_image(photo.crop((left, top, photo.width - left, photo.height - top)), spec)
