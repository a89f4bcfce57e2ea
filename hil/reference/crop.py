"""Photos to a classifier's input, as its training and the published evaluation prepare them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from hil.reference.classifiers import ClassifierSpec


def centre_crop(photo: Image.Image, spec: ClassifierSpec) -> np.ndarray:
    """An 8-bit image of any size as uint8 (H, W, C): scaled until its shorter side is the spec's, the centre cut out.

    Bilinear with antialiasing, sizes rounded as torchvision's Resize and CenterCrop do.
    """
    channels, height, width = spec.input_shape
    photo = photo.convert("L" if channels == 1 else "RGB")
    shorter = min(photo.size)
    size = [int(spec.shorter_side * edge / shorter) for edge in photo.size]
    scaled = photo.resize(size, Image.Resampling.BILINEAR)
    left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
    pixels = np.array(scaled.crop((left, top, left + width, top + height)))
    return pixels.reshape(height, width, channels)
