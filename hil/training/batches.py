"""Training batches, each a function of the seed and its number: a resumed training sees what it would have seen."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from hil.reference.boxes import priors
from hil.reference.networks import DetectorSpec
from hil.training.augment import augmented
from hil.training.matching import match
from hil.training.photos import Photos
from hil.training.recipe import Recipe

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
        first, count = number * self.recipe.batch, self.recipe.batch
        recipe, spec = self.recipe, self.spec
        if recipe.whole_every and number % recipe.whole_every == 0:
            recipe, count = replace(recipe, window=1.0), max(1, round(count * recipe.window**2))
        elif recipe.window != 1:
            channels, *size = spec.input_shape
            height, width = (round(edge * recipe.window) for edge in size)
            spec = replace(spec, input_shape=(channels, height, width))
        examples = [self._example(position, spec, recipe) for position in range(first, first + count)]
        views, labels, offsets = (np.stack(part) for part in zip(*examples, strict=True))
        inputs = torch.from_numpy(views if views.ndim == 4 else views[..., None]).permute(0, 3, 1, 2)  # channels last
        return inputs, torch.from_numpy(labels), torch.from_numpy(offsets)

    def _example(self, position: int, spec: DetectorSpec, recipe: Recipe) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        epoch, place = divmod(position, len(self.chosen))
        order = np.random.default_rng((self.seed, 0, epoch)).permutation(len(self.chosen))
        index = self.chosen[order[place]]
        rng = np.random.default_rng((self.seed, 1, position))
        annotation = self.photos.annotations[index]
        size = spec.input_shape[1:]
        mean, scale = (values[0] if len(values) == 1 else np.asarray(values, np.float32)
                       for values in (spec.input_mean, spec.input_scale))  # fmt: skip
        view, boxes, is_cut = augmented(self.photos.photo(index), annotation.boxes, size, mean, recipe, rng)
        edges = boxes[:, 2:] - boxes[:, :2]
        is_tiny = (np.sqrt(edges.prod(1)) < recipe.smallest_face) | (edges.min(1) < recipe.smallest_edge)
        is_ignored = is_cut | is_tiny | ~annotation.is_valid
        labels, offsets = match(priors(spec), boxes, is_ignored, recipe, spec.variances)
        return view if np.all(scale == 1) else view * np.asarray(scale, np.float32), labels, offsets


def loader(batches: Dataset[Any], first: int, last: int, workers: int = 1) -> DataLoader:
    """The batches from first to last, made ahead by so many processes beside the training."""
    return DataLoader(batches, batch_size=None, sampler=range(first, last), num_workers=workers, prefetch_factor=8)
