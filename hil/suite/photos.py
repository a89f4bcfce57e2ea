"""Images for the suite: photos that come with scikit-image, and synthetic extremes."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from hil.reference.networks import DetectorSpec
from hil.reference.photo import Photo, fit_image, from_array

PHOTOS = ("astronaut", "camera", "chelsea", "coffee", "rocket", "coins", "page")
EXTREMES = ("black", "white", "noise", "checkerboard", "ramp")
NAMES = PHOTOS + EXTREMES


@cache
def photo(name: str, spec: DetectorSpec) -> Photo:
    """One of NAMES as a network takes it."""
    if name in PHOTOS:
        return from_array(fit_image(Image.fromarray(getattr(data, name)()), spec))
    return from_array(_extreme(name, spec))


def _extreme(name: str, spec: DetectorSpec) -> NDArray[np.uint8]:
    """Inputs that no photo has: all of one value, the largest contrasts, every value."""
    channels, height, width = spec.input_shape
    size = height, width, channels
    if name in ("black", "white"):
        return np.full(size, 255 * (name == "white"), np.uint8)
    if name == "noise":
        return np.random.default_rng(2024).integers(0, 256, size, np.uint8)
    rows, columns, _ = np.indices(size)
    values = 255 * ((rows + columns) % 2) if name == "checkerboard" else (rows + columns) % 256
    return values.astype(np.uint8)
