"""Photos to network input, and boxes back to the photo."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, UnidentifiedImageError

from hil.errors import HilError

if TYPE_CHECKING:
    from hil.reference.networks import DetectorSpec
    from hil.reference.own import TensorSpec


ORIENTATION = 0x0112  # the tag, and how its values are turned upright (EXIF 2.32, 4.6.4)
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_SIXTEEN_BITS = re.compile(r";16[BLNS]")  # in Pillow's name of a file's layout; "BGR;16" has 16 bits a pixel
_TOO_DEEP = "has more than 8 bits a channel (mode {}): convert it to 8-bit grey or RGB"


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
    file that is missing, no image, of a kind that is not read here, truncated or too large, and for more than 8 bits a
    channel.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of large photos and of damage that it can read past
        return to_grey_or_rgb(_read(path), str(path))


def _read(path: Path) -> Image.Image:
    if path.exists() and not path.is_file() and not path.is_dir():  # a pipe would be waited for
        raise HilError(f"{path} is a device or a pipe: name an image file")
    try:
        with Image.open(path, formats=_formats()) as opened:
            if deep := _deep(opened):
                raise HilError(f"{path} {_TOO_DEEP.format(deep)}")
            opened.load()
            return opened
    except HilError:
        raise
    except FileNotFoundError as error:
        raise HilError(f"{path} does not exist: name an image file") from error
    except IsADirectoryError as error:
        raise HilError(f"{path} is a folder: name an image file in it") from error
    except PermissionError as error:
        raise HilError(f"cannot read {path}: {error.strerror}") from error
    except UnidentifiedImageError as error:
        raise HilError(f"{path} {_what_else(path)}") from error
    except Image.DecompressionBombError as error:
        raise HilError(f"{path} is too large, over 178 million pixels: make it smaller") from error
    except Exception as error:  # Pillow raises a dozen types for damaged files
        raise HilError(f"{path} is damaged ({error}): copy it again") from error


@cache
def _formats() -> tuple[str, ...]:
    """What Pillow reads by itself. For EPS, which a file may be whatever its name is, it would start Ghostscript."""
    Image.init()
    return tuple(name for name in Image.ID if name != "EPS")


def _deep(photo: Image.Image) -> str:
    """How Pillow would read more than 8 bits a channel into 8, without a word; empty where there are no more."""
    for decoder, _, _, given in getattr(photo, "tile", ()):  # not of the stubs
        how, *more = given if isinstance(given, tuple) else (given,)
        if _SIXTEEN_BITS.search(str(how)) or decoder == "ppm" and more and more[0] > 0xFF:
            return str(how)
    return ""


def _what_else(path: Path) -> str:
    """What a file is that Pillow knows nothing of, as far as its beginning says."""
    start = path.open("rb").read(512)
    if not start:
        return "is empty: copy it again"
    if start[4:8] == b"ftyp":
        return f"is a {start[8:12].decode('ascii', 'replace').strip().upper()} image or film: save it as JPEG or PNG"
    if all(0x20 <= byte < 0x7F or byte in b"\t\n\r\f" for byte in start):
        return "is a text, not an image: name a photo, JPEG or PNG"
    return "is not an image that can be read here: save it as JPEG or PNG"


def to_grey_or_rgb(photo: Image.Image, name: str) -> Image.Image:
    """A loaded image as "L" or "RGB"; `name` is for the error. Raises HilError for more than 8 bits a channel."""
    if photo.mode.startswith("I") or photo.mode == "F":
        raise HilError(f"{name} {_TOO_DEEP.format(photo.mode)}")
    photo = _upright(photo)
    if photo.mode in ("L", "RGB"):
        return photo
    if photo.mode == "1":
        return photo.convert("L")
    if photo.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in photo.info:
        photo = photo.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", photo.size, (0, 0, 0, 255)), photo).convert("RGB")
    return photo.convert("RGB")


def _upright(photo: Image.Image) -> Image.Image:
    """The photo turned as its EXIF data says; as it is where that is damaged."""
    try:
        turn = TURNS.get(photo.getexif().get(ORIENTATION, 1))
    except Exception:  # whatever a damaged block makes Pillow raise: TypeError, struct.error, ...
        return photo
    return photo if turn is None else photo.transpose(turn)


def network_input(
    photo: Image.Image, spec: DetectorSpec | TensorSpec, is_fitted: bool = False, name: str = "image"
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


def letterbox(planes: np.ndarray, spec: DetectorSpec | TensorSpec) -> tuple[np.ndarray, Placement]:
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
