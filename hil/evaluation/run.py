"""A detector's average precision on WIDER FACE: in floating point, in integers, or as firmware on a target has it.

Photos are spread over worker processes, each with a detector of its own. Results are kept as they come
(hil.evaluation.journal), so that calling again goes on where the last call stopped.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hil import board as boards
from hil import targets, zoo
from hil.bench.session import Bench
from hil.compiler import decode, integer
from hil.errors import HilError
from hil.evaluation import official as official
from hil.evaluation.journal import Journal, Predictions
from hil.evaluation.multiscale import multi_scale_detector
from hil.failure.leaving import FOLDER, Leaving
from hil.failure.session import Session
from hil.firmware.build import NATIVE, Firmware, build
from hil.firmware.model import load_model
from hil.paths import BUILD
from hil.pools import complete
from hil.reference import weights
from hil.reference.detect import Detect, float_detector, on_letterbox
from hil.reference.image import open_photo
from hil.reference.networks import Detector
from hil.reference.photo import from_array
from hil.version import described

FLOAT, INTEGER = "float", "integer"
WAYS = (FLOAT, INTEGER, *targets.NAMES)
RESULTS = BUILD / "evaluate"
Step = Callable[[str, float], None]


@dataclass(frozen=True)
class Task:
    """What to evaluate. data: WIDER FACE's folder; limit: so many photos, spread evenly over the set.

    ways: of WAYS, one after another; jobs: worker processes; is_multi_scale: the paper's convention, in float only;
    store: the folder for results; is_fresh: begin anew instead of going on; failures: the folder for their bundles.
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


def evaluate_model(task: Task, step: Step = lambda what, done: None) -> list[Predictions]:
    """Boxes on every photo and AP by the official protocol, at the network's size, a way each.

    Raises HilError for an unknown way, model or board, for a network that is no detector, for data that is not WIDER
    FACE's, and for multi-scale testing of anything but float; target and link errors pass.
    """
    check_ways(task)
    for way in task.ways:
        if task.is_multi_scale and way != FLOAT:
            raise HilError(f"{way} takes photos of one size: multi-scale testing is for --target float")
    network = weights.load(zoo.find(task.model))
    if not isinstance(network, Detector):
        raise HilError(
            f"{task.model} is {network.spec.name}, which finds no boxes: average precision is for face detectors"
        )
    boards.load(task.board)
    truth = official.load_ground_truth(task.data)
    names = truth.names if task.limit is None else truth.names[:: max(1, len(truth.names) // task.limit)][: task.limit]
    return [_evaluate(task, way, names, step) for way in task.ways]


def check_ways(task: Task) -> None:
    """Raises HilError for a way that there is not."""
    for way in task.ways:
        if way not in WAYS:
            raise HilError(f"nothing evaluates as {way!r}: choose of {', '.join(WAYS)}")


def _evaluate(task: Task, way: str, names: Sequence[str], step: Step) -> Predictions:
    """One way's results on the photos, as far as they are not there yet."""
    step(f"{way}: preparing", 0)
    firmware = firmware_for(task, way)
    with _journal(task, way, firmware) as journal:
        contents = {name: _content(task, name) for name in names}
        missing = [name for name in names if journal.contents.get(name) != contents[name]]
        for i, (name, boxes, took) in enumerate(_detect(task, way, firmware, missing) if missing else (), 1):
            journal.add(name, boxes, took, contents[name])
            step(f"{way}: {len(names)} photos", (len(names) - len(missing) + i) / len(names))
    found = {name: journal.boxes[name] for name in names}
    seconds = {name: journal.seconds[name] for name in names}
    return Predictions(way, found, seconds, official.evaluate(found, task.data, names))


def _journal(task: Task, way: str, firmware: Firmware | None) -> Journal:
    """Where a way's results are kept; those of another checkpoint, firmware, ground truth or hil do not count."""
    path = zoo.find(task.model)
    identity: dict[str, Any] = {
        "format": 2,
        "hil": described(),
        "checkpoint": hashlib.sha256(path.read_bytes()).hexdigest(),
        "way": way,
        "multi_scale": task.is_multi_scale,
        "firmware": None if firmware is None else firmware.build_id,
        "truth": official.digest(task.data),
    }
    parts = [path.stem, way, *([] if firmware is None else [task.board])]
    file = task.store / ("-".join([*parts, *(["multiscale"] if task.is_multi_scale else [])]) + ".jsonl")
    if task.is_fresh:
        file.unlink(missing_ok=True)
    return Journal(file, identity)


def _content(task: Task, name: str) -> str:
    """A hash of a photo; empty where it cannot be read, as its worker will say."""
    try:
        return hashlib.sha256((photos_of(task.data) / name).read_bytes()).hexdigest()
    except OSError:
        return ""


def photos_of(data: Path) -> Path:
    """Where WIDER FACE's photos lie."""
    return data / "WIDER_val" / "images"


def _detect(
    task: Task, way: str, firmware: Firmware | None, names: Sequence[str]
) -> Iterator[tuple[str, np.ndarray, float]]:
    """(photo, boxes, seconds) as they come."""
    # Not forked: PyTorch's and numba's threads would not be there in the child.
    context = multiprocessing.get_context("spawn")
    jobs = max(1, min(task.jobs, len(names)))
    with complete(), ProcessPoolExecutor(jobs, context, _start_worker, (task, way, firmware)) as pool:
        futures: list[Future[tuple[str, np.ndarray, float]]] = [pool.submit(_one_photo, name) for name in names]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def firmware_for(task: Task, way: str) -> Firmware | None:
    """What runs on a way's target; None where a way has none."""
    if way not in targets.NAMES:
        return None
    return build(task.model, task.board, preset=NATIVE if way == NATIVE else None)


class _Worker:
    """What a worker process keeps from photo to photo."""

    detect: Detect
    folder: Path
    mode: str
    bench: Bench | None = None
    leaving: Leaving


def _start_worker(task: Task, way: str, firmware: Firmware | None) -> None:
    """Runs once in each worker process."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the first process ends the others
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    network = weights.load(zoo.find(task.model))
    assert isinstance(network, Detector)
    _Worker.folder = photos_of(task.data)
    _Worker.leaving = Leaving(task.failures)
    _Worker.mode = "L" if network.spec.input_shape[0] == 1 else "RGB"
    _Worker.detect = _detector(task, way, network, firmware)


def _end_with_parent() -> None:
    """Ends a worker whose first process was killed: it would wait for photos for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _one_photo(name: str) -> tuple[str, np.ndarray, float]:
    try:
        return _timed(name)
    except HilError as error:  # as a kind that passes from process to process
        if _Worker.bench is not None:
            _Worker.leaving.of_run(_Worker.bench, error)
        bundles = "".join(f"; all about it: hil show {path}" for path in _Worker.leaving.left)
        raise HilError(f"{name}: {error}{bundles}") from None


def _timed(name: str) -> tuple[str, np.ndarray, float]:
    photo = np.asarray(open_photo(_Worker.folder / name).convert(_Worker.mode))
    planes = photo[None] if photo.ndim == 2 else photo.transpose(2, 0, 1)
    begun = time.perf_counter()
    boxes = _Worker.detect(planes)
    return name, np.asarray(boxes, np.float32).reshape(-1, 5), time.perf_counter() - begun


def _detector(task: Task, way: str, network: Detector, firmware: Firmware | None) -> Detect:
    """Something that finds faces in photos of any size."""
    if way == FLOAT:
        return multi_scale_detector(network) if task.is_multi_scale else float_detector(network)
    if firmware is None:
        graph, _ = load_model(task.model)
        return on_letterbox(lambda planes: decode.detect(graph, integer.run(graph, _as_hwc(planes))), network.spec)
    bench = _Worker.bench = Bench(firmware, Session(targets.create(way, firmware.board)))
    bench.boot()  # its process or its simulated board ends with this worker
    return on_letterbox(lambda planes: _boxes(bench, planes), network.spec)


def _boxes(bench: Bench, planes: np.ndarray) -> np.ndarray:
    """What the device finds in a (C, H, W) image; nothing is compared, so that it is as fast as the target."""
    pixels = _as_hwc(planes)
    bench.sent = from_array(pixels)
    return np.asarray(bench.client.infer(pixels).detections, np.float32).reshape(-1, 5)


def _as_hwc(planes: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(planes.transpose(1, 2, 0))
