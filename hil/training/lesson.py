"""The data of a training, for any kind of network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from torch.utils.data import Dataset

from hil.errors import HilError
from hil.reference.catalogue import Spec
from hil.reference.classifiers import ClassifierSpec
from hil.reference.networks import DetectorSpec
from hil.training.faces import FaceLesson
from hil.training.people import PeopleLesson
from hil.training.recipe import Recipe


class Lesson(Protocol):
    """Photos to learn from and photos to be judged by.

    data_name: for the checkpoint's metadata; batches: batch number i, inputs first, of an endless sequence.
    """

    data_name: str

    @property
    def batches(self) -> Dataset[Any]: ...

    def judge(self, network: Any) -> dict[str, float]:
        """Figures by name from the photos that are held out, from 0 to 1; the best mean of them chooses."""
        ...


def lesson_for(spec: Spec, data: Sequence[Path], recipe: Recipe, seed: int, cache: Path | None = None) -> Lesson:
    """The lesson of a network's kind, of one folder or, for faces, several.

    Raises HilError for data that is missing, not of that kind or of too many folders.
    """
    if isinstance(spec, ClassifierSpec):
        if len(data) > 1:
            raise HilError(f"{spec.name} is trained on one folder, and --data names {len(data)}")
        return PeopleLesson(spec, data[0], recipe, seed)
    if not isinstance(spec, DetectorSpec):
        raise HilError(f"{spec.name} gives plain tensors: train it with a script of your own (hil new-network has one)")
    return FaceLesson(spec, data, recipe, seed, cache)
