"""A split's photos: files that are decoded when they are wanted, or pixels that all processes share.

Decoded pixels lie in one flat array. In a cache folder it is a file, mapped into memory: a loader process reads what
the training process has read, the next training decodes nothing, and 5 GB of colour need no memory of their own.
"""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Protocol

import numpy as np
from rich.progress import track

from hil.errors import HilError
from hil.files import writing
from hil.reference.image import open_photo
from hil.training.wider import Annotation, read_annotations

AT_ONCE = 64  # photos decoded before they are written


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
    """Photos that are decoded each time: those of the whole WIDER FACE would take 30 GB."""

    annotations: list[Annotation]
    paths: list[Path]
    mode: str  # Pillow's: "L" or "RGB"

    def __len__(self) -> int:
        return len(self.annotations)

    def photo(self, index: int) -> np.ndarray:
        """A photo's levels, uint8. Raises HilError where it is damaged."""
        return _read(self.paths[index], self.mode)


@dataclass(frozen=True)
class DecodedPhotos:
    """Photos in one flat array, which a loader process shares instead of copying."""

    annotations: list[Annotation]
    pixels: np.ndarray  # uint8, all photos one after another
    starts: np.ndarray  # (n + 1,)
    shapes: np.ndarray  # (n, 2) height, width or (n, 3) with the channels

    def __len__(self) -> int:
        return len(self.annotations)

    def photo(self, index: int) -> np.ndarray:
        """A photo's levels, uint8."""
        return np.asarray(self.pixels[self.starts[index] : self.starts[index + 1]]).reshape(self.shapes[index])


def as_planes(photo: np.ndarray) -> np.ndarray:
    """(C, H, W) of what a set of photos gives."""
    return photo[None] if photo.ndim == 2 else photo.transpose(2, 0, 1)


def open_photos(folders: Sequence[Path], split: str, is_mono: bool, cache: Path | None = None) -> Photos:
    """A split of one folder or several, one after another, for a network that takes luma or colour.

    Decoded at once where there is a cache folder, and luma without one. Raises HilError for missing annotations and for
    photos that are missing or damaged.
    """
    found = [(folder, annotation) for folder in folders for annotation in read_annotations(folder, split)]
    annotations = [annotation for _, annotation in found]
    paths = [folder / f"WIDER_{split}" / "images" / annotation.name for folder, annotation in found]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise HilError(f"{len(missing)} photos are missing, {missing[0]} for one: unpack them again")
    files = PhotoFiles(annotations, paths, "L" if is_mono else "RGB")
    if cache is not None:
        return _cached(files, cache)
    return _in_memory(files) if is_mono else files


def _in_memory(files: PhotoFiles) -> DecodedPhotos:
    with ThreadPoolExecutor(2) as pool:
        decoded = list(track(pool.map(files.photo, range(len(files))), "Decoding", len(files), transient=True))
    shapes = np.array([photo.shape for photo in decoded])
    pixels = np.concatenate([photo.ravel() for photo in decoded])
    return DecodedPhotos(files.annotations, pixels, _starts(shapes), shapes)


def _cached(files: PhotoFiles, cache: Path) -> DecodedPhotos:
    """The photos of a cache folder, where they are written the first time, under a name for their paths and sizes."""
    described = "".join(f"{path.resolve()} {path.stat().st_size}\n" for path in files.paths)
    stem = f"{files.mode.lower()}-upright-{hashlib.sha256(described.encode()).hexdigest()[:16]}"
    pixels, index = cache / f"{stem}.pixels", cache / f"{stem}.npy"
    if not index.is_file():  # written last: then both are whole
        shapes = _write_pixels(files, pixels)
        with writing(index) as file:
            np.save(file, shapes)
    shapes = np.load(index)
    return DecodedPhotos(files.annotations, np.memmap(pixels, np.uint8, "r"), _starts(shapes), shapes)


def _write_pixels(files: PhotoFiles, path: Path) -> np.ndarray:
    """Write all photos' levels one after another; returns their shapes."""
    groups = [range(first, min(first + AT_ONCE, len(files))) for first in range(0, len(files), AT_ONCE)]
    with writing(path) as file, ThreadPoolExecutor(2) as pool:
        shapes = [_append(file, pool.map(files.photo, group)) for group in track(groups, "Decoding", transient=True)]
    return np.array(list(chain.from_iterable(shapes)))


def _append(file: IO[bytes], photos: Iterable[np.ndarray]) -> list[tuple[int, ...]]:
    shapes = []
    for photo in photos:
        file.write(photo.tobytes())
        shapes.append(photo.shape)
    return shapes


def _starts(shapes: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(shapes.prod(1))])


def _read(path: Path, mode: str) -> np.ndarray:
    """A photo upright, as evaluation sees it."""
    return np.asarray(open_photo(path).convert(mode))
