"""Other people's checkpoints, made ready to be built: tensors from EdgeML, ranges and shifts from photos."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hil import zoo
from hil.checkpoints.calibration import Photos, Step, calibration, find_photos
from hil.errors import HilError
from hil.reference import edgeml, weights
from hil.reference.catalogue import Spec
from hil.reference.photo import fit_image

SAMPLES = ("astronaut", "chelsea", "coffee", "rocket", "retina", "camera", "coins", "brick", "grass", "moon", "page")
SCALES = (1.0, 0.5)  # of a sample's size: the whole of it, and its middle


def import_edgeml(checkpoint: Path, model: str, out: Path, images: Path | None, count: int, step: Step) -> int:
    """Write an EdgeML checkpoint as one of ours, with ranges from photos. Returns from how many.

    images: a folder of typical photos, of which `count` are used; without it, the few that come with scikit-image.
    Raises HilError as hil.reference.edgeml.load does, and for an --out that is no .safetensors file.
    """
    if out.suffix != zoo.SUFFIX:
        raise HilError(f"{out} must end in {zoo.SUFFIX}: that is the format that keeps ranges beside the weights")
    paths = None if images is None else find_photos(images, count)  # its complaints before anything is read
    step(f"reading {checkpoint.name}", 0)
    network = edgeml.load(checkpoint, model)
    photos = list(sample_photos(network.spec)) if paths is None else Photos(paths, network.spec)
    source = {"source": checkpoint.name, "source_sha256": hashlib.sha256(checkpoint.read_bytes()).hexdigest()}
    weights.save(network, out, source | calibration(network, photos, step))
    return len(photos)


def sample_photos(spec: Spec) -> Iterator[NDArray[np.uint8]]:
    """The photos that come with scikit-image and their middles, (H, W, C) uint8 as a network takes them."""
    from PIL import Image
    from skimage import data

    for name in SAMPLES:
        photo = Image.fromarray(getattr(data, name)())
        for scale in SCALES:
            left, top = (round(edge * (1 - scale) / 2) for edge in photo.size)
            yield fit_image(photo.crop((left, top, photo.width - left, photo.height - top)), spec)
