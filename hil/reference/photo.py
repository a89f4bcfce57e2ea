"""Image files as a network takes them: of its size and mode as they are, or fitted to it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hil.errors import HilError
from hil.reference.crop import centre_crop
from hil.reference.image import letterbox, open_photo

if TYPE_CHECKING:
    from hil.reference.catalogue import Spec

MODES = {1: ("L", "8-bit grey"), 3: ("RGB", "8-bit RGB")}


@dataclass(frozen=True)
class Photo:
    """An image as it is sent. pixels: (H, W, C) uint8; sha256: of the file, or of the pixels where there is none."""

    pixels: NDArray[np.uint8]
    path: Path | None
    sha256: str
    fitted: bool = False

    @property
    def name(self) -> str:
        return self.path.name if self.path else self.sha256[:8]


def from_array(pixels: NDArray[np.uint8]) -> Photo:
    """A photo that is in no file. pixels: (H, W) or (H, W, C) uint8."""
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.dtype != np.uint8 or pixels.ndim != 3:
        raise HilError(f"pixels are {pixels.dtype} of shape {pixels.shape}: expected uint8 (H, W) or (H, W, C)")
    return Photo(np.ascontiguousarray(pixels), None, hashlib.sha256(pixels.tobytes()).hexdigest())


def load_photo(path: Path, spec: Spec, fit: bool = False) -> Photo:
    """Read an image file for a network, upright as its EXIF data says.

    fit: make it fit and convert it, whatever it is (fit_image). Raises HilError if the file is missing, no image or
    truncated, and, without fit, if its size or mode is not the network's.
    """
    image = open_photo(path)
    if fit:
        pixels = fit_image(image, spec)
    else:
        _check(image, path, spec)
        pixels = _as_hwc(image)
    return Photo(pixels, path, hashlib.sha256(path.read_bytes()).hexdigest(), fit)


def _check(image: Image.Image, path: Path, spec: Spec) -> None:
    channels, height, width = spec.input_shape
    mode, title = MODES[channels]
    if image.size != (width, height):
        size, wanted = f"{image.width}x{image.height}", f"{width}x{height}"
        raise HilError(f"{path} is {size}, {spec.name} takes {wanted}: resize it or pass --fit")
    if image.mode != mode:
        raise HilError(f"{path} has mode {image.mode}, {spec.name} takes {mode} ({title}): convert it or pass --fit")


def fit_image(image: Image.Image, spec: Spec) -> NDArray[np.uint8]:
    """An 8-bit grey or RGB image as (H, W, C) of the network's size, proportions kept.

    A detector's is letterboxed on the input mean; a classifier's is the photo's centre, as it was trained.
    """
    from hil.reference.classifiers import ClassifierSpec

    if isinstance(spec, ClassifierSpec):
        return centre_crop(image, spec)
    mode, _ = MODES[spec.input_shape[0]]
    planes, _ = letterbox(_as_hwc(image.convert(mode)).transpose(2, 0, 1), spec)
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def sample_photo(spec: Spec) -> NDArray[np.uint8]:
    """The demo's photo as a network takes it: an astronaut's portrait (Eileen Collins, NASA, public domain)."""
    from skimage import data

    return fit_image(Image.fromarray(data.astronaut()), spec)


def to_image(pixels: NDArray[np.uint8]) -> Image.Image:
    """Pixels (H, W, C) as an image that can be saved."""
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _as_hwc(image: Image.Image) -> NDArray[np.uint8]:
    pixels = np.array(image, np.uint8)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels
