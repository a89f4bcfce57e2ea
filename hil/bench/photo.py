"""Image files as a network takes them: of its size and mode as they are, or fitted to it."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from hil.errors import HilError

BORDER = 117  # of a letterboxed photo: what the networks' normalisation takes for zero
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


@dataclass(frozen=True)
class InputShape:
    """What a network takes, for checks and messages."""

    model: str
    width: int
    height: int
    channels: int


def from_array(pixels: NDArray[np.uint8]) -> Photo:
    """A photo that is in no file. pixels: (H, W) or (H, W, C) uint8."""
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.dtype != np.uint8 or pixels.ndim != 3:
        raise HilError(f"pixels are {pixels.dtype} of shape {pixels.shape}: expected uint8 (H, W) or (H, W, C)")
    return Photo(np.ascontiguousarray(pixels), None, hashlib.sha256(pixels.tobytes()).hexdigest())


def load_photo(path: Path, shape: InputShape, fit: bool = False) -> Photo:
    """Read an image file for a network, upright as its EXIF data says.

    fit: letterbox and convert whatever it is. Raises HilError if the file is missing, no image or truncated, and,
    without fit, if its size or mode is not the network's.
    """
    image, sha256 = _read(path)
    if fit:
        return Photo(fit_image(image, shape), path, sha256, fitted=True)
    mode, title = MODES[shape.channels]
    if image.size != (shape.width, shape.height):
        size, wanted = f"{image.width}x{image.height}", f"{shape.width}x{shape.height}"
        raise HilError(f"{path} is {size}, {shape.model} takes {wanted}: resize it or pass --fit")
    if image.mode != mode:
        raise HilError(f"{path} has mode {image.mode}, {shape.model} takes {mode} ({title}): convert it or pass --fit")
    return Photo(_as_hwc(image), path, sha256)


def fit_image(image: Image.Image, shape: InputShape) -> NDArray[np.uint8]:
    """Scale an image to fill the network's input as far as its proportions allow, centred on a grey border."""
    mode, _ = MODES[shape.channels]
    scale = min(shape.width / image.width, shape.height / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    fitted = Image.new(mode, (shape.width, shape.height), (BORDER,) * shape.channels if shape.channels > 1 else BORDER)
    offset = (shape.width - size[0]) // 2, (shape.height - size[1]) // 2
    fitted.paste(_to_8_bits(image).convert(mode).resize(size, Image.Resampling.BILINEAR), offset)
    return _as_hwc(fitted)


def _read(path: Path) -> tuple[Image.Image, str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise HilError(f"cannot read the image {path}: {error.strerror}") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(path)
            image.load()
            upright = ImageOps.exif_transpose(image)
    except UnidentifiedImageError as error:
        raise HilError(f"{path} is no image that can be read: give a PNG, JPEG, BMP, PGM, TIFF or WebP file") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise HilError(f"{path} is too large to decode safely ({error}): scale it down first") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise HilError(f"{path} is damaged or truncated ({error}): copy or export it again") from error
    return upright, hashlib.sha256(content).hexdigest()


def _to_8_bits(image: Image.Image) -> Image.Image:
    """16-bit and float greys scaled to 8 bits (Pillow's convert would clip them); transparency on grey."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        values = np.asarray(image, np.float64)
        scale = 255 / (65535 if values.max() > 255 else 255 if values.max() > 1 else 1)
        return Image.fromarray(np.clip(np.rint(values * scale), 0, 255).astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        background = Image.new("RGBA", image.size, (BORDER, BORDER, BORDER, 255))
        return Image.alpha_composite(background, rgba)
    return image


def _as_hwc(image: Image.Image) -> NDArray[np.uint8]:
    pixels = np.array(image, np.uint8)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels
