"""Training batches, each a function of the seed and its number: a resumed training sees what it would have seen."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from hil.reference.boxes import priors
from hil.reference.networks import DetectorSpec
from hil.training.augment import augmented
from hil.training.matching import match
from hil.training.recipe import Recipe
from hil.training.wider import Photos

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # input (N, C, H, W), labels (N, A) int8, offsets (N, A, 4)


@dataclass(frozen=True)
class Batches(Dataset[Batch]):
    """Batch number i of an endless sequence of shuffled epochs over the chosen photos."""

    photos: Photos
    chosen: np.ndarray  # indices of photos with at least one valid face
    spec: DetectorSpec
    recipe: Recipe
    seed: int

    def __getitem__(self, number: int) -> Batch:
        first = number * self.recipe.batch
        examples = [self._example(position) for position in range(first, first + self.recipe.batch)]
        views, labels, offsets = (np.stack(part) for part in zip(*examples, strict=True))
        views = views[:, None] if views.ndim == 3 else np.ascontiguousarray(views.transpose(0, 3, 1, 2))
        return torch.from_numpy(views), torch.from_numpy(labels), torch.from_numpy(offsets)

    def _example(self, position: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        epoch, place = divmod(position, len(self.chosen))
        order = np.random.default_rng((self.seed, 0, epoch)).permutation(len(self.chosen))
        index = self.chosen[order[place]]
        rng = np.random.default_rng((self.seed, 1, position))
        annotation = self.photos.annotations[index]
        size = self.spec.input_shape[1:]
        mean, scale = (values[0] if len(values) == 1 else np.asarray(values, np.float32)
                       for values in (self.spec.input_mean, self.spec.input_scale))  # fmt: skip
        view, boxes, is_cut = augmented(self.photos.photo(index), annotation.boxes, size, mean, self.recipe, rng)
        edges = boxes[:, 2:] - boxes[:, :2]
        is_tiny = (np.sqrt(edges.prod(1)) < self.recipe.smallest_face) | (edges.min(1) < self.recipe.smallest_edge)
        is_ignored = is_cut | is_tiny | ~annotation.is_valid
        labels, offsets = match(priors(self.spec), boxes, is_ignored, self.recipe, self.spec.variances)
        return view * np.asarray(scale, np.float32), labels, offsets


def loader(batches: Dataset[Any], first: int, last: int, workers: int = 1) -> DataLoader:
    """The batches from first to last, made ahead by so many processes beside the training."""
    return DataLoader(batches, batch_size=None, sampler=range(first, last), num_workers=workers, prefetch_factor=8)
