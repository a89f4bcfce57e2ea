"""WIDER FACE in its official layout: photos as luma planes in memory or as colour files, faces as boxes.

DIR/WIDER_<split>/images/<event>/*.jpg
DIR/wider_face_split/wider_face_<split>_bbx_gt.txt
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image, UnidentifiedImageError
from rich.progress import track

from hil.errors import HilError
from hil.files import writing


@dataclass(frozen=True)
class Annotation:
    """One photo's faces. boxes: (n, 4) float32 x0 y0 x1 y1 in pixels; is_valid: (n,) false where marked invalid."""

    name: str  # "<event>/<file>.jpg"
    boxes: np.ndarray
    is_valid: np.ndarray


def read_annotations(data: Path, split: str) -> list[Annotation]:
    """The annotations of a split ("train" or "val"). Raises HilError for a missing or malformed file, with the line."""
    path = data / "wider_face_split" / f"wider_face_{split}_bbx_gt.txt"
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise HilError(f"no WIDER FACE annotations at {path}: give --data the folder with wider_face_split/") from error
    return list(_parse(path, lines))


def _parse(path: Path, lines: list[str]) -> Iterator[Annotation]:
    i = 0
    while i < len(lines) and lines[i].strip():
        name = lines[i].strip()
        try:
            count = int(lines[i + 1])
            rows = [[float(v) for v in line.split()] for line in lines[i + 2 : i + 2 + max(count, 1)]]
            table = np.array(rows, np.float32).reshape(len(rows), -1)[:count]
            if len(rows) < count:
                raise ValueError("the file ends too early")
            boxes = np.concatenate([table[:, :2], table[:, :2] + table[:, 2:4]], 1)
        except (IndexError, ValueError) as error:
            raise HilError(f"{path}:{i + 1}: expected a count and as many rows 'x y w h ...' after {name}") from error
        has_area = (boxes[:, 2:] > boxes[:, :2]).all(1)
        invalid = table[:, 7] > 0 if table.shape[1] > 7 else np.zeros(count, bool)
        yield Annotation(name, boxes[has_area], ~invalid[has_area])
        i += 2 + max(count, 1)  # a photo without a face has one row of zeros


class Photos(Protocol):
    """A split's photos and their faces."""

    @property
    def annotations(self) -> list[Annotation]: ...

    def __len__(self) -> int: ...

    def photo(self, index: int) -> np.ndarray:
        """uint8 (H, W), or (H, W, 3) in colour."""
        ...


@dataclass(frozen=True)
class PhotoFiles:
    """A split in colour, each photo decoded when it is wanted: in memory they would take 10 GB and more."""

    annotations: list[Annotation]
    folder: Path

    def __len__(self) -> int:
        return len(self.annotations)

    def photo(self, index: int) -> np.ndarray:
        """A photo's RGB values, (H, W, 3) uint8. Raises HilError where it is damaged."""
        return _read(self.folder / self.annotations[index].name, "RGB")


def as_planes(photo: np.ndarray) -> np.ndarray:
    """(C, H, W) of what a set of photos gives."""
    return photo[None] if photo.ndim == 2 else photo.transpose(2, 0, 1)


def open_photos(data: Path, split: str, is_mono: bool, cache: Path | None = None) -> Photos:
    """A split for a network that takes luma or colour. Raises HilError as load_photos does."""
    if is_mono:
        return load_photos(data, split, cache)
    photos = PhotoFiles(read_annotations(data, split), data / f"WIDER_{split}" / "images")
    missing = [a.name for a in photos.annotations if not (photos.folder / a.name).is_file()]
    if missing:
        raise HilError(f"{len(missing)} photos are missing in {photos.folder}, {missing[0]} for one: unpack them again")
    return photos


@dataclass(frozen=True)
class PhotoSet:
    """A split in memory: one flat array of luma, so that a loader process shares it instead of copying."""

    annotations: list[Annotation]
    pixels: np.ndarray  # uint8, all photos one after another
    starts: np.ndarray  # (n + 1,)
    shapes: np.ndarray  # (n, 2) height, width

    def __len__(self) -> int:
        return len(self.annotations)

    def photo(self, index: int) -> np.ndarray:
        """A photo's luma."""
        return self.luma(index)

    def luma(self, index: int) -> np.ndarray:
        """A photo's luma, (H, W) uint8."""
        return self.pixels[self.starts[index] : self.starts[index + 1]].reshape(self.shapes[index])


def load_photos(data: Path, split: str, cache: Path | None = None) -> PhotoSet:
    """Decode a split's photos to luma, or read them from the cache folder, where they are written the first time.

    Raises HilError for missing annotations and for a photo that is missing or damaged.
    """
    annotations = read_annotations(data, split)
    stored = cache / f"wider_{split}_luma.npz" if cache else None
    if stored and stored.is_file():
        with np.load(stored) as file:
            if list(file["names"]) == [a.name for a in annotations]:
                return PhotoSet(annotations, file["pixels"], file["starts"], file["shapes"])
    paths = [data / f"WIDER_{split}" / "images" / annotation.name for annotation in annotations]
    with ThreadPoolExecutor(2) as pool:
        planes = list(track(pool.map(_read_luma, paths), f"Decoding WIDER_{split}", len(paths), transient=True))
    shapes = np.array([plane.shape for plane in planes])
    starts = np.concatenate([[0], np.cumsum(shapes.prod(1))])
    photos = PhotoSet(annotations, np.concatenate([plane.ravel() for plane in planes]), starts, shapes)
    if stored:
        with writing(stored) as file:
            np.savez(file, names=[a.name for a in annotations], pixels=photos.pixels, starts=starts, shapes=shapes)
    return photos


def _read_luma(path: Path) -> np.ndarray:
    return _read(path, "L")


def _read(path: Path, mode: str) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert(mode))
    except (OSError, UnidentifiedImageError) as error:
        raise HilError(f"cannot read {path}: {error}") from error
