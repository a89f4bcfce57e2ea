"""What an evaluation is asked to do, and what one worker does of it: boxes on one photo after another, in one way."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from hil import targets, zoo
from hil.bench.session import Bench
from hil.compiler import decode, integer
from hil.errors import HilError
from hil.evaluation.multiscale import multi_scale_detector
from hil.failure.leaving import FOLDER, Leaving
from hil.failure.session import Session
from hil.firmware.build import Firmware
from hil.firmware.model import load_model
from hil.paths import BUILD
from hil.reference import weights
from hil.reference.detect import Detect, float_detector, on_letterbox
from hil.reference.image import Placement, letterbox, open_photo
from hil.reference.networks import Detector
from hil.reference.photo import from_array
from hil.targets.connection import options

FLOAT, INTEGER, SERIAL = "float", "integer", "serial"
WAYS = (FLOAT, INTEGER, *targets.NAMES)
RESULTS = BUILD / "evaluate"
IN_A_ROW = 8
Found = tuple[str, np.ndarray, float]  # photo, boxes (n, 5) float32 or logits, seconds without reading the file


@dataclass(frozen=True)
class Task:
    """What to evaluate. data: WIDER FACE's folder; limit: so many photos, spread evenly over the set.

    ways: of WAYS, one after another; jobs: worker processes; is_multi_scale: the paper's convention, in float only;
    store: the folder for results; is_fresh: begin anew instead of going on; failures: the folder for their bundles.
    at: how real boards are reached; elf: a firmware to run instead of the built one, such as one with a longer receive
    ring (docs/lab.md). cluster: "local:N" or the address of a dask scheduler, instead of jobs. shard: (i, n), photos i,
    i + n, ... alone, i from 1. merge: folders with the journals of all shards, whose results are taken instead of
    computing any.
    """

    model: str
    data: Path
    ways: tuple[str, ...] = (INTEGER,)
    board: str = "stm32f407_disco"
    jobs: int = 1
    is_multi_scale: bool = False
    limit: int | None = None
    store: Path = RESULTS
    is_fresh: bool = False
    failures: Path = FOLDER
    at: str | None = None
    elf: Path | None = None
    cluster: str | None = None
    shard: tuple[int, int] | None = None
    merge: tuple[Path, ...] = ()


def photos_of(data: Path) -> Path:
    """Where WIDER FACE's photos lie."""
    return data / "WIDER_val" / "images"


class Working(Protocol):
    """What a worker keeps for one way: made of (task, way, firmware), it does one photo after another."""

    def run(self, photos: Iterable[tuple[str, Path]]) -> Iterator[Found]:
        """What the way makes of photos, (name, file) each, in order."""
        ...

    def close(self) -> None:
        """Give the target back."""
        ...


class Detecting:
    """One way's detector, with the target that it runs on."""

    def __init__(self, task: Task, way: str, firmware: Firmware | None) -> None:
        """Boots the target. Raises HilError where this machine cannot have it."""
        import torch

        torch.set_num_threads(1)
        network = weights.load(zoo.find(task.model))
        assert isinstance(network, Detector)
        self._way, self._spec = way, network.spec
        self._mode = "L" if network.spec.input_shape[0] == 1 else "RGB"
        self._leaving = Leaving(task.failures)
        self._bench: Bench | None = None
        if firmware is not None:
            target = Session(targets.create(way, firmware.board, **options(way, task.at)))
            self._bench = Bench(firmware, target, {})
            self._bench.boot()
        self._detect = _detector(task, way, network, self._bench)

    def close(self) -> None:
        """Give the target back."""
        if self._bench is not None:
            self._bench.target.close()

    def run(self, photos: Iterable[tuple[str, Path]]) -> Iterator[Found]:
        """The boxes of photos, (name, file) each, in order. A real board is sent the next one while it computes.

        Raises HilError with the photo's name for a bad photo, and where target or link fail.
        """
        if self._way == SERIAL:
            yield from self._streamed(photos)
            return
        for name, path in photos:
            with self._named(name):
                planes = self._planes(path)
                begun = time.perf_counter()
                boxes = self._detect(planes)
                yield name, np.asarray(boxes, np.float32).reshape(-1, 5), time.perf_counter() - begun

    def _streamed(self, photos: Iterable[tuple[str, Path]]) -> Iterator[Found]:
        assert self._bench is not None
        bench = self._bench
        sent: deque[tuple[str, Placement, np.ndarray]] = deque()

        def inputs() -> Iterator[np.ndarray]:
            for name, path in photos:
                with self._named(name):
                    planes, placement = letterbox(self._planes(path), self._spec)
                sent.append((name, placement, _as_hwc(planes)))
                yield sent[-1][2]

        results = bench.client.infer_many(inputs())
        while True:
            begun = time.perf_counter()
            if sent:
                bench.sent = from_array(sent[0][2])
            with self._named(sent[0][0] if sent else "the first photo"):
                result = next(results, None)
            if result is None:
                return
            name, placement, _ = sent.popleft()
            boxes = placement.to_photo(np.asarray(result.detections, np.float32).reshape(-1, 5))
            yield name, np.asarray(boxes, np.float32).reshape(-1, 5), time.perf_counter() - begun

    @contextmanager
    def _named(self, photo: str) -> Iterator[None]:
        """Errors say which photo it was and what was left of it, and are of a kind that passes between processes."""
        try:
            yield
        except HilError as error:
            if self._bench is not None:
                self._leaving.of_run(self._bench, error)
            bundles = "".join(f"; all about it: hil show {path}" for path in self._leaving.left)
            raise HilError(f"{photo}: {error}{bundles}") from None

    def _planes(self, path: Path) -> np.ndarray:
        photo = np.asarray(open_photo(path).convert(self._mode))
        return photo[None] if photo.ndim == 2 else photo.transpose(2, 0, 1)


def at_once(way: str) -> int:
    """How many photos a worker is given in one go: a row of several where the next one's transfer is overlapped."""
    return IN_A_ROW if way == SERIAL else 1


def _detector(task: Task, way: str, network: Detector, bench: Bench | None) -> Detect:
    """Something that finds faces in photos of any size."""
    if way == FLOAT:
        return multi_scale_detector(network) if task.is_multi_scale else float_detector(network)
    if bench is None:
        graph, _ = load_model(task.model)
        return on_letterbox(lambda planes: decode.detect(graph, integer.run(graph, _as_hwc(planes))), network.spec)
    booted = bench
    return on_letterbox(lambda planes: _boxes(booted, planes), network.spec)


def _boxes(bench: Bench, planes: np.ndarray) -> np.ndarray:
    """What the device finds in a (C, H, W) image; nothing is compared, so that it is as fast as the target."""
    pixels = _as_hwc(planes)
    bench.sent = from_array(pixels)
    return np.asarray(bench.client.infer(pixels).detections, np.float32).reshape(-1, 5)


def _as_hwc(planes: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def shard_of(text: str) -> tuple[int, int]:
    """From "I/N", I of 1 to N. Raises HilError for anything else."""
    first, _, count = text.partition("/")
    if not (first.isdecimal() and count.isdecimal() and 1 <= int(first) <= int(count) <= 100_000):
        raise HilError(f"--shard {text}: expected I/N, such as 2/4 for the second of four")
    return int(first), int(count)
