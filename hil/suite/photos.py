"""Images for the suite: photos that come with scikit-image, synthetic extremes, and some drawn when it runs."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from hil.bench import drawn
from hil.reference.networks import DetectorSpec
from hil.reference.photo import Photo, fit_image, from_array

PHOTOS = ("astronaut", "camera", "chelsea", "coffee", "rocket", "coins", "page")
EXTREMES = ("black", "white", "empty", "noise", "checkerboard", "ramp")
MANY_FACES = "faces"
DRAWN = ("drawn1", "drawn2")  # other ones each time, so that no firmware can know the answer
NAMES = (*PHOTOS, *EXTREMES, MANY_FACES, *DRAWN)
FACE = (170, 30, 280, 160)  # of the astronaut


@cache
def photo(name: str, spec: DetectorSpec) -> Photo:
    """One of NAMES as a network takes it."""
    if name in PHOTOS:
        return from_array(fit_image(Image.fromarray(getattr(data, name)()), spec))
    if name in DRAWN:
        return drawn.draw(spec, drawn.fresh_seed())
    return from_array(_faces(spec) if name == MANY_FACES else _extreme(name, spec))


def _faces(spec: DetectorSpec) -> NDArray[np.uint8]:
    """One face many times, large and small, side by side."""
    _, height, width = spec.input_shape
    crowd = Image.new("RGB", (width, height), (120, 120, 120))
    face = Image.fromarray(data.astronaut()).crop(FACE)
    sizes = [(height // 3, 0), (height // 5, height // 3), (height // 8, height * 2 // 3)]
    for size, top in sizes:
        for left in range(0, width - size, size + size // 4):
            crowd.paste(face.resize((size, size)), (left, top))
    return fit_image(crowd, spec)


def _extreme(name: str, spec: DetectorSpec) -> NDArray[np.uint8]:
    """Inputs that no photo has: all of one value, the largest contrasts, every value."""
    channels, height, width = spec.input_shape
    size = height, width, channels
    if name == "empty":  # nothing but what a network takes for zero
        return np.full(size, np.rint(spec.input_mean), np.uint8)
    if name in ("black", "white"):
        return np.full(size, 255 * (name == "white"), np.uint8)
    if name == "noise":
        return np.random.default_rng(2024).integers(0, 256, size, np.uint8)
    rows, columns, _ = np.indices(size)
    values = 255 * ((rows + columns) % 2) if name == "checkerboard" else (rows + columns) % 256
    return values.astype(np.uint8)
