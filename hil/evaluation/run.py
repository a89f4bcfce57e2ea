"""A detector's average precision on WIDER FACE: in floating point, in integers, or as firmware on a target has it.

Photos are spread over worker processes, or over the machines of a cluster. Results are kept as they come
(hil.evaluation.journal), so that calling again goes on where the last call stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hil import board as boards
from hil import targets, zoo
from hil.errors import HilError
from hil.evaluation import official as official
from hil.evaluation import processes
from hil.evaluation.journal import Journal, Predictions
from hil.evaluation.merge import take_over
from hil.evaluation.work import (
    FLOAT,
    INTEGER,
    RESULTS,
    SERIAL,
    WAYS,
    Detecting,
    Found,
    Task,
    Working,
    photos_of,
)
from hil.firmware.build import NATIVE, Firmware, build
from hil.firmware.elf import check_elf
from hil.reference import weights
from hil.reference.networks import Detector
from hil.version import exactly

__all__ = ["FLOAT", "INTEGER", "RESULTS", "WAYS", "Task", "check_ways", "evaluate_model", "firmware_for", "photos_of"]

Step = Callable[[str, float], None]


def evaluate_model(task: Task, step: Step = lambda what, done: None) -> list[Predictions]:
    """Boxes on every photo and AP by the official protocol, at the network's size, a way each.

    One shard alone has no precision: its results are for merging. Raises HilError for an unknown way, model or board,
    for a network that is no detector or one of several classes, for data that is not WIDER FACE's, for multi-scale
    testing of anything but float, and for wishes that exclude each other; target and link errors pass.
    """
    check_ways(task)
    if task.cluster is not None and task.jobs > 1:
        raise HilError("--cluster has its own processes: leave --jobs out")
    if task.merge and (task.shard or task.is_fresh):
        raise HilError("--merge uses existing results: omit --shard and --fresh")
    if task.at and SERIAL not in task.ways:
        raise HilError(f"--at {task.at} is for --target serial: {', '.join(task.ways)} is no board to connect to")
    for way in task.ways:
        if task.is_multi_scale and way != FLOAT:
            raise HilError(f"{way} takes photos of one size: multi-scale testing is for --target float")
    network = weights.load(zoo.find(task.model))
    if not isinstance(network, Detector):
        raise HilError(
            f"{task.model} is {network.spec.name}, which finds no boxes: average precision is for face detectors"
        )
    if len(network.spec.classes) > 1:
        raise HilError(
            f"{task.model} finds {', '.join(network.spec.classes)}: average precision is for one class, WIDER FACE's"
        )
    boards.load(task.board)
    truth = official.load_ground_truth(task.data)
    names = truth.names if task.limit is None else truth.names[:: max(1, len(truth.names) // task.limit)][: task.limit]
    if task.shard is not None:
        first, count = task.shard
        names = names[first - 1 :: count]
    return [_evaluate(task, way, names, step) for way in task.ways]


def check_ways(task: Task) -> None:
    """Raises HilError for an unknown way."""
    for way in task.ways:
        if way not in WAYS:
            raise HilError(f"nothing evaluates as {way!r}: choose of {', '.join(WAYS)}")


def _evaluate(task: Task, way: str, names: Sequence[str], step: Step) -> Predictions:
    """One way's results on the photos, as far as they are not there yet."""
    step(f"{way}: preparing", 0)
    firmware = firmware_for(task, way)
    with _journal(task, way, firmware) as journal:
        contents = {name: _content(task, name) for name in names}
        take_over(task.merge, journal, contents)
        missing = [name for name in names if journal.contents.get(name) != contents[name]]
        for i, (name, boxes, took) in enumerate(_detect(task, way, firmware, missing) if missing else (), 1):
            journal.add(name, boxes, took, contents[name])
            step(f"{way}: {len(names)} photos", (len(names) - len(missing) + i) / len(names))
    found = {name: journal.boxes[name] for name in names}
    seconds = {name: journal.seconds[name] for name in names}
    precision = official.evaluate(found, task.data, names) if task.shard is None else {}
    return Predictions(way, found, seconds, precision)


def _journal(task: Task, way: str, firmware: Firmware | None) -> Journal:
    """Where a way's results are kept; those of another checkpoint, firmware, ground truth or hil do not count."""
    path = zoo.find(task.model)
    identity: dict[str, Any] = {
        "format": 2,
        "hil": exactly(),
        "checkpoint": hashlib.sha256(path.read_bytes()).hexdigest(),
        "network": _code(path),
        "way": way,
        "multi_scale": task.is_multi_scale,
        "firmware": None if firmware is None else [firmware.build_id, firmware.elf_hash],
        "truth": official.digest(task.data),
    }
    parts = [path.stem, way, *([] if firmware is None else [task.board])]
    parts += ["multiscale"] if task.is_multi_scale else []
    parts += [f"shard{task.shard[0]}of{task.shard[1]}"] if task.shard is not None else []
    file = task.store / ("-".join(parts) + ".jsonl")
    if task.is_fresh:
        file.unlink(missing_ok=True)
    return Journal(file, identity)


def _code(checkpoint: Path) -> str | None:
    """A hash of the file of the user's that makes the checkpoint's network; None where there is none."""
    code = weights.code_of(checkpoint) if checkpoint.suffix == zoo.SUFFIX else None
    return None if code is None else hashlib.sha256(code[1]).hexdigest()


def _content(task: Task, name: str) -> str:
    """A hash of a photo; empty where it cannot be read, as its worker will say."""
    try:
        return hashlib.sha256((photos_of(task.data) / name).read_bytes()).hexdigest()
    except OSError:
        return ""


def _detect(task: Task, way: str, firmware: Firmware | None, names: Sequence[str]) -> Iterator[Found]:
    """(photo, boxes, seconds) as they come."""
    if task.cluster is None:
        return processes.detect(task, way, firmware, names)
    return on_cluster(Detecting, task, way, firmware, photos_of(task.data), names)


def on_cluster(
    make: Callable[[Task, str, Firmware | None], Working],
    task: Task,
    way: str,
    firmware: Firmware | None,
    folder: Path,
    names: Sequence[str],
) -> Iterator[Found]:
    """As hil.evaluation.cluster.spread. Raises HilError where dask is not here."""
    try:
        from hil.evaluation import cluster  # dask is an extra
    except ModuleNotFoundError as error:
        raise HilError(f"--cluster needs the package {error.name}: pip install 'rnnpool-hil[cluster]'") from error
    return cluster.spread(make, task, way, firmware, folder, names)


def firmware_for(task: Task, way: str) -> Firmware | None:
    """What runs on a way's target; None where a way has none. Raises HilError for an ELF that is not the board's."""
    if way not in targets.NAMES:
        return None
    firmware = build(task.model, task.board, preset=NATIVE if way == NATIVE else None)
    if task.elf is None:
        return firmware
    if way == NATIVE:
        raise HilError(f"{task.elf} is for a board, --target {NATIVE} runs on this computer: leave --elf out")
    check_elf(task.elf, firmware.board)
    return replace(firmware, elf=task.elf, place=None)
