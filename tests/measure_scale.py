"""What many photos cost besides detecting: journal, precision, page, scheduler, on made-up results.

    PYTHONPATH=tests python tests/measure_scale.py --photos 5000 20000 --boxes 185 --tasks 1000

Seconds are of the processor, of the scheduler's tasks of wall time; docs/lab.md extrapolates from what this prints.
tests/test_scale.py holds the page to its size.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from test_scale import page

from hil.evaluation import official
from hil.evaluation.journal import Journal, read

T = TypeVar("T")
PHOTO_BYTES = 100_000  # of a file, as WIDER FACE's are on average


def timed(what: Callable[[], T]) -> tuple[T, float]:
    """What a call gives, and its seconds of this process."""
    begun = time.process_time()
    return what(), time.process_time() - begun


def boxes(count: int) -> np.ndarray:
    """(count, 5) float32: numbers with all their digits, as a detector's are."""
    rng = np.random.default_rng(count)
    corners = rng.uniform(0, 400, (count, 2))
    return np.hstack([corners, corners + rng.uniform(10, 80, (count, 2)), rng.uniform(0, 1, (count, 1))]).astype("f4")


def journal(photos: int, found: np.ndarray, folder: Path) -> tuple[float, float, float]:
    """Seconds to write photos one by one, bytes, seconds to read them."""
    path = folder / "journal.jsonl"

    def write() -> None:
        with Journal(path, {"way": "made up"}) as kept:
            for i in range(photos):
                kept.add(f"{i:06}.jpg", found, 0.1, "0" * 64)

    _, wrote = timed(write)
    (_, again), took = timed(lambda: read(path))
    assert len(again.boxes) == photos
    return wrote, path.stat().st_size, took


def precision(photos: int, found: np.ndarray) -> float:
    """Seconds for the three precisions."""
    names = [f"{i:06}.jpg" for i in range(photos)]
    faces = [found[:3, :4].astype(np.float64)] * photos
    counted = dict.fromkeys(official.DIFFICULTIES, [np.ones(3, bool)] * photos)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(official, "load_ground_truth", lambda data: official.GroundTruth(names, faces, counted))
        return timed(lambda: official.evaluate(dict.fromkeys(names, found), Path()))[1]


def _nothing(content: bytes) -> int:
    return len(content)


def scheduler(tasks: int, workers: int) -> float:
    """Seconds that tasks with a photo each take on workers that do nothing with it: submitted as an evaluation does."""
    import distributed

    options = {"threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    with distributed.LocalCluster(n_workers=workers, **options) as made, distributed.Client(made) as client:
        content = bytes(PHOTO_BYTES)

        def run() -> None:
            left, running = tasks, set()
            while left or running:
                while left and len(running) < 3 * workers:
                    running.add(client.submit(_nothing, content, pure=False))
                    left -= 1
                running -= distributed.wait(list(running), return_when="FIRST_COMPLETED").done

        client.submit(_nothing, content, pure=False).result()
        begun = time.perf_counter()
        run()
        return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, nargs="*", default=[5000, 20000])
    parser.add_argument("--boxes", type=int, default=185)
    parser.add_argument("--tasks", type=int, default=0)
    parser.add_argument("--workers", type=int, default=4)
    asked = parser.parse_args()
    found = boxes(asked.boxes)
    for photos in asked.photos:
        with tempfile.TemporaryDirectory() as folder:
            wrote, size, read_s = journal(photos, found, Path(folder))
        print(f"{photos} photos of {asked.boxes} boxes: journal {wrote:.1f} s to write, {read_s:.1f} s to read,")
        print(f"  {size / photos:.0f} bytes a photo; precision {precision(photos, found):.1f} s", flush=True)
        with pytest.MonkeyPatch.context() as patch:
            text, took = timed(lambda: page(patch, photos))  # noqa: B023
        print(f"  page of two ways, 40 boxes a photo: {len(text) / 1e6:.2f} MB in {took:.1f} s", flush=True)
    if asked.tasks:
        took = scheduler(asked.tasks, asked.workers)
        print(f"{asked.tasks} tasks, {asked.workers} workers: {1e3 * took / asked.tasks:.2f} ms each", flush=True)


if __name__ == "__main__":
    main()
