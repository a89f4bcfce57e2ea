"""A classifier's accuracy on labelled photos: in floating point, in integers, or as firmware on a target has it.

DIR/annotations/instances_val.json says each photo's class, or its folder does (hil.training.people).
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hil import board as boards
from hil import targets, zoo
from hil.bench.classify import float_logits, integer_logits
from hil.bench.session import Bench
from hil.compiler import integer
from hil.errors import HilError
from hil.evaluation.run import FLOAT, Step, Task, check_ways, firmware_for, on_cluster
from hil.evaluation.work import Found
from hil.firmware.build import Firmware
from hil.firmware.model import load_model
from hil.reference import weights
from hil.reference.classifiers import Classifier
from hil.reference.crop import centre_crop
from hil.reference.image import open_photo
from hil.targets.connection import options
from hil.training.people import labelled_photos

Classify = Callable[[np.ndarray], np.ndarray]  # pixels, (H, W, C) uint8, to logits
CONFIDENCE = 1.96  # standard deviations: 95 %


@dataclass(frozen=True)
class Accuracy:
    """One way's logits, (photos, classes), and the photos' classes, (photos,). per_second: photos, without reading."""

    way: str
    logits: np.ndarray
    labels: np.ndarray
    per_second: float

    @property
    def right(self) -> int:
        """Photos that got their class."""
        return int((self.logits.argmax(1) == self.labels).sum())

    @property
    def share(self) -> float:
        """The accuracy, 0 to 1."""
        return self.right / len(self.labels)

    @property
    def interval(self) -> tuple[float, float]:
        """Where the accuracy on photos of this kind lies at 95 %."""
        return wilson_interval(self.right, len(self.labels))


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of count >= 1 (Wilson, Probable inference, 1927): it holds at 0 and 1 too."""
    share, z = right / count, CONFIDENCE
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def differences(found: Sequence[Accuracy]) -> list[tuple[str, str, int, int]]:
    """For each two ways: their names, on how many photos the class differs, and on how many a logit does."""
    return [
        (a.way, b.way, int((a.logits.argmax(1) != b.logits.argmax(1)).sum()), int((a.logits != b.logits).any(1).sum()))
        for a, b in itertools.combinations(found, 2)
    ]


def evaluate_classes(task: Task, step: Step = lambda what, done: None) -> list[Accuracy]:
    """The accuracy of each way, one photo after another in this process, or over task.cluster.

    Raises HilError for an unknown way, model or board, a network that is no classifier, labels or photos that are
    missing, several jobs and multi-scale testing; target and link errors pass.
    """
    check_ways(task)
    network = weights.load(zoo.find(task.model))
    if not isinstance(network, Classifier):
        raise HilError(f"{task.model} is {network.spec.name}, which finds boxes and says no class")
    if task.is_multi_scale or task.jobs > 1:
        raise HilError("--multi-scale and --jobs are for face detectors, not for a classifier's crops")
    boards.load(task.board)
    photos = labelled_photos(task.data, network.spec, "val")
    chosen = photos if task.limit is None else photos[:: max(1, len(photos) // task.limit)][: task.limit]
    names = [str(path.relative_to(task.data)) for path, _ in chosen]
    labels = np.array([label for _, label in chosen])
    found = []
    for way in task.ways:
        step(f"{way}: preparing", 0)
        logits, seconds = dict[str, np.ndarray](), 0.0
        for name, said, took in _classified(task, way, names):
            logits[name] = said
            seconds += took
            step(f"{way}: {len(names)} photos", len(logits) / len(names))
        said_of = np.stack([logits[name] for name in names])
        found.append(Accuracy(way, said_of, labels, len(names) / max(seconds, 1e-9)))
    return found


def _classified(task: Task, way: str, names: Sequence[str]) -> Iterator[Found]:
    """(photo, logits, seconds) as they come."""
    firmware = firmware_for(task, way)
    if task.cluster is not None:
        yield from on_cluster(Classifying, task, way, firmware, task.data, names)
        return
    with closing(Classifying(task, way, firmware)) as working:
        yield from working.run((name, task.data / name) for name in names)


class Classifying:
    """One way's classifier, with the target that it runs on."""

    def __init__(self, task: Task, way: str, firmware: Firmware | None) -> None:
        """Boots the target. Raises HilError where this machine cannot have it."""
        network = weights.load(zoo.find(task.model))
        assert isinstance(network, Classifier)
        self._spec, self._stack = network.spec, ExitStack()
        self._classify = _classifier(task, way, network, firmware, self._stack)

    def close(self) -> None:
        """Give the target back."""
        self._stack.close()

    def run(self, photos: Iterable[tuple[str, Path]]) -> Iterator[Found]:
        """The logits of photos, (name, file) each, in order. Raises HilError for a bad photo; link errors pass."""
        for name, path in photos:
            pixels = centre_crop(open_photo(path), self._spec)
            begun = time.perf_counter()
            logits = self._classify(pixels)
            yield name, logits, time.perf_counter() - begun


def _classifier(task: Task, way: str, network: Classifier, firmware: Firmware | None, stack: ExitStack) -> Classify:
    """What gives logits, the device's and the integer reference's in the same integers. Its target ends with stack."""
    if way == FLOAT:
        return lambda pixels: float_logits(network, pixels)
    if firmware is None:
        graph, _ = load_model(task.model)
        return lambda pixels: integer_logits(graph, integer.run(graph, pixels))
    target = targets.create(way, firmware.board, **options(way, task.at))
    bench = stack.enter_context(Bench(firmware, target))
    return lambda pixels: np.asarray(bench.client.infer(pixels).logits)
