"""What classifiers learn from: photos of one class each, in folders or with Visual Wake Words labels (people or none).

DIR/all2014/*.jpg    DIR/annotations/instances_train.json, as EdgeML's and pyvww's scripts write it: COCO's format, a
category of 0 or 1 a photo (Chowdhery et al., Visual Wake Words Dataset, 2019).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from hil.errors import HilError
from hil.reading import json_of, opened
from hil.reference.classifiers import Classifier, ClassifierSpec
from hil.reference.crop import centre_crop
from hil.reference.image import open_photo
from hil.training.recipe import Recipe

PHOTOS = "all2014"
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".pgm")
Labelled = tuple[Path, int]


def read_labels(data: Path, split: str) -> list[Labelled]:
    """Every photo of a split ("train" or "val") and its class, 1 where there is a person, by the photo's number.

    Raises HilError for a file that is missing or not of this kind, and for photos that are missing.
    """
    path = data / "annotations" / f"instances_{split}.json"
    try:
        with opened(path) as file:
            content = json_of(file.read(), str(path))
        files = {image["id"]: data / PHOTOS / image["file_name"] for image in content["images"]}
        labels = {entry["image_id"]: int(entry["category_id"]) for entry in content["annotations"]}
        found = [(files[number], labels[number]) for number in sorted(files)]
    except OSError as error:
        raise HilError(f"no Visual Wake Words labels at {path}: give --data the folder with annotations/") from error
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise HilError(f"{path} is not Visual Wake Words' labels ({error!r}): make it with pyvww's script") from error
    missing = [photo for photo, _ in found if not photo.is_file()]
    if missing or not found:
        what = f"{len(missing)} photos are missing, {missing[0]} for one" if missing else f"{path} names no photo"
        raise HilError(f"{what}: unpack COCO 2014's train and val images into {data / PHOTOS}")
    return found


@dataclass(frozen=True)
class LabelledBatches(Dataset[tuple[Tensor, Tensor]]):
    """Batch number i of an endless sequence of shuffled epochs: input (N, C, H, W) float32, classes (N,) int64.

    Of recipe.window of the network's size, which a classifier that ends in a mean does not mind.
    """

    photos: list[Labelled]
    network: Classifier  # for its normalisation
    recipe: Recipe
    seed: int

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        first = number * self.recipe.batch
        examples = [self._example(position) for position in range(first, first + self.recipe.batch)]
        pixels = torch.from_numpy(np.stack([view for view, _ in examples])).permute(0, 3, 1, 2)
        return self.network.normalise(pixels), torch.tensor([label for _, label in examples])

    def _example(self, position: int) -> tuple[np.ndarray, int]:
        epoch, place = divmod(position, len(self.photos))
        order = np.random.default_rng((self.seed, 0, epoch)).permutation(len(self.photos))
        path, label = self.photos[order[place]]
        rng = np.random.default_rng((self.seed, 1, position))
        channels, *size = self.network.spec.input_shape
        height, width = (round(edge * self.recipe.window) for edge in size)
        return random_view(_opened(path, self.network.spec), (channels, height, width), self.recipe, rng), label


def random_view(
    photo: Image.Image, shape: tuple[int, int, int], recipe: Recipe, rng: np.random.Generator
) -> np.ndarray:
    """A part of recipe.crop_area of a photo, of any place and an aspect near 1, mirrored or not: uint8 (H, W, C)."""
    _, height, width = shape
    area = rng.uniform(*recipe.crop_area) * photo.width * photo.height
    aspect = math.exp(rng.uniform(-1, 1) * math.log(4 / 3))
    w, h = min(math.sqrt(area * aspect), photo.width), min(math.sqrt(area / aspect), photo.height)
    left, top = rng.uniform(0, photo.width - w), rng.uniform(0, photo.height - h)
    box = (left, top, left + w, top + h)
    view = np.array(photo.resize((width, height), Image.Resampling.BILINEAR, box=box)).reshape(height, width, -1)
    return np.ascontiguousarray(view[:, ::-1]) if rng.random() < 0.5 else view


def labelled_photos(data: Path, spec: ClassifierSpec, split: str) -> list[Labelled]:
    """Every photo of a split ("train" or "val") and its class: Visual Wake Words', or the classes' folders.

    Those are in DIR/train or DIR/val, or in DIR, and called as the classes or as the network's `folders`, where `_` and
    more may follow. Raises HilError where there are neither, or a class has no photos.
    """
    if (data / "annotations").is_dir():
        return read_labels(data, split)
    folder, classes = data / split if (data / split).is_dir() else data, spec.folders or spec.classes
    found = [
        (path, label)
        for label, name in enumerate(classes)
        for inner in sorted({folder / name, *(folder.glob(f"{name}_*") if spec.folders else ())})
        for path in sorted(inner.rglob("*"))
        if path.suffix.lower() in SUFFIXES
    ]
    if empty := [name for label, name in enumerate(classes) if label not in {found_label for _, found_label in found}]:
        raise HilError(
            f"{folder} has no photos of {', '.join(empty)}: give --data a folder with one folder of photos a class "
            f"({', '.join(classes)}), or Visual Wake Words' with annotations/"
        )
    order = np.random.default_rng(0).permutation(len(found))  # so that every n-th one is of any class
    return [found[i] for i in order]


class PeopleLesson:
    """DIR's train split for a classifier. Every recipe.holdout_every-th photo judges it and is never trained on."""

    def __init__(self, spec: ClassifierSpec, data: Path, recipe: Recipe, seed: int) -> None:
        photos = labelled_photos(data, spec, "train")
        self.data_name = "Visual Wake Words, instances_train" if (data / "annotations").is_dir() else data.name
        self.held_out = photos[:: recipe.holdout_every]
        rest = [photo for i, photo in enumerate(photos) if i % recipe.holdout_every]
        self.batches = LabelledBatches(rest, Classifier(spec), recipe, seed)

    def judge(self, network: Classifier) -> dict[str, float]:
        """The share of the held-out photos that get their class, "accuracy"."""
        return {"accuracy": accuracy(network, self.held_out)}


def accuracy(network: Classifier, photos: list[Labelled]) -> float:
    """The share of photos, cropped as the firmware's are, that get their class in floating point."""
    network.eval()
    device = next(network.parameters()).device
    right = 0
    for path, label in photos:
        pixels = torch.from_numpy(centre_crop(_opened(path, network.spec), network.spec)).permute(2, 0, 1)
        with torch.inference_mode():
            right += int(network(network.normalise(pixels[None].to(device))).argmax()) == label
    return right / len(photos)


def _opened(path: Path, spec: ClassifierSpec) -> Image.Image:
    return open_photo(path).convert("L" if spec.input_shape[0] == 1 else "RGB")


def class_losses(outputs: Tensor, targets: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """outputs: logits (N, classes); targets: classes (N,)."""
    return {"class_loss": F.cross_entropy(outputs.float(), targets[0])}
