"""Photos to network input, and boxes back to the photo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from hil.errors import HilError

if TYPE_CHECKING:
    from hil.reference.networks import DetectorSpec


@dataclass(frozen=True)
class Placement:
    """Where a photo lies in the network's input: input = photo * (x_scale, y_scale) + (left, top), in pixels."""

    x_scale: float = 1.0
    y_scale: float = 1.0
    left: int = 0
    top: int = 0

    def to_photo(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes (n, 4 or more) x0 y0 x1 y1 ... of the input in pixels of the photo; further columns stay."""
        mapped = np.array(boxes, np.float32)
        mapped[:, [0, 2]] = (mapped[:, [0, 2]] - self.left) / self.x_scale
        mapped[:, [1, 3]] = (mapped[:, [1, 3]] - self.top) / self.y_scale
        return mapped

    def to_input(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes of the photo in pixels of the input: the inverse of to_photo."""
        mapped = np.array(boxes, np.float32)
        mapped[:, [0, 2]] = mapped[:, [0, 2]] * self.x_scale + self.left
        mapped[:, [1, 3]] = mapped[:, [1, 3]] * self.y_scale + self.top
        return mapped


def open_photo(path: Path) -> Image.Image:
    """A photo as an "L" or "RGB" image, upright (EXIF).

    Palette, CMYK, YCbCr, LAB, HSV and 1-bit images are converted, transparency is put on black. Raises HilError for a
    missing, truncated or non-image file and for more than 8 bits a channel.
    """
    try:
        with Image.open(path) as opened:
            opened.load()
            photo = opened
    except FileNotFoundError as error:
        raise HilError(f"{path} does not exist: name an image file") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise HilError(f"{path} is not an image or is damaged ({error}): copy it again") from error
    return to_grey_or_rgb(photo, str(path))


def to_grey_or_rgb(photo: Image.Image, name: str) -> Image.Image:
    """A loaded image as "L" or "RGB"; `name` is for the error. Raises HilError for more than 8 bits a channel."""
    if photo.mode.startswith("I") or photo.mode == "F":
        raise HilError(f"{name} has more than 8 bits a channel (mode {photo.mode}): convert it to 8-bit grey or RGB")
    photo = ImageOps.exif_transpose(photo)
    if photo.mode in ("L", "RGB"):
        return photo
    if photo.mode == "1":
        return photo.convert("L")
    if photo.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in photo.info:
        photo = photo.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", photo.size, (0, 0, 0, 255)), photo).convert("RGB")
    return photo.convert("RGB")


def network_input(
    photo: Image.Image, spec: DetectorSpec, is_fitted: bool = False, name: str = "image"
) -> tuple[np.ndarray, Placement]:
    """The network's input, uint8 (C, H, W), and where the photo lies in it.

    A photo of the network's size is taken as it is; any other is letterboxed with is_fitted (bilinear, aspect kept,
    centred, padded with the rounded input mean) and refused with HilError without.
    """
    channels, height, width = spec.input_shape
    if not is_fitted and photo.size != (width, height):
        size = f"{photo.size[0]}x{photo.size[1]}"
        raise HilError(f"{name} is {size}, {spec.name} takes {width}x{height}: resize it or pass --fit")
    pixels = np.asarray(photo.convert("L" if channels == 1 else "RGB"))
    planes = pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
    return letterbox(planes, spec) if is_fitted else (np.ascontiguousarray(planes), Placement())


def letterbox(planes: np.ndarray, spec: DetectorSpec) -> tuple[np.ndarray, Placement]:
    """uint8 (C, h, w) of any size, scaled to fit and centred: uint8 of the network's input shape, and the placement."""
    _, height, width = spec.input_shape
    rows, columns = planes.shape[1:]
    scale = min(width / columns, height / rows)
    size = max(1, round(columns * scale)), max(1, round(rows * scale))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    out = np.empty(spec.input_shape, np.uint8)
    for plane, source, mean in zip(out, planes, spec.input_mean, strict=True):
        plane[:] = round(mean)
        scaled = Image.fromarray(source).resize(size, Image.Resampling.BILINEAR)
        plane[top : top + size[1], left : left + size[0]] = np.asarray(scaled)
    return out, Placement(size[0] / columns, size[1] / rows, left, top)
