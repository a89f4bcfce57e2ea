"""Photos over worker processes of this machine."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path

from hil.evaluation.work import Detecting, Found, Task, at_once, photos_of
from hil.firmware.build import Firmware
from hil.pools import complete


def detect(task: Task, way: str, firmware: Firmware | None, names: Sequence[str]) -> Iterator[Found]:
    """(photo, boxes, seconds) as they come."""
    # Not forked: PyTorch's and numba's threads would not be there in the child.
    context = multiprocessing.get_context("spawn")
    jobs = max(1, min(task.jobs, len(names)))
    with complete(), ProcessPoolExecutor(jobs, context, _start_worker, (task, way, firmware)) as pool:
        rows = [names[i : i + at_once(way)] for i in range(0, len(names), at_once(way))]
        futures: list[Future[list[Found]]] = [pool.submit(_photos, row) for row in rows]
        try:
            for future in as_completed(futures):
                yield from future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Worker:
    """What a worker process keeps from photo to photo."""

    detecting: Detecting
    folder: Path


def _start_worker(task: Task, way: str, firmware: Firmware | None) -> None:
    """Runs once in each worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the first process ends the others
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _Worker.folder = photos_of(task.data)
    _Worker.detecting = Detecting(task, way, firmware)  # its target ends with this process


def _end_with_parent() -> None:
    """Ends a worker whose first process was killed: it would wait for photos for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _photos(names: Sequence[str]) -> list[Found]:
    return list(_Worker.detecting.run((name, _Worker.folder / name) for name in names))
