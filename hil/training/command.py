"""What the command line calls. Importing this before torch lets OpenMP's threads sleep instead of spinning."""

import logging
import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # the sweep kernels' threads need the cores between torch's loops


def train_command(
    model: str,
    data: Path,
    out: Path,
    images: int | None = None,
    minutes: float | None = None,
    threads: int = 2,
    seed: int = 0,
    is_resumed: bool = False,
    cache: Path | None = None,
) -> Path:
    """`hil train MODEL --data DIR [--out DIR] [--images N] [--minutes M] [--threads T] [--seed S] [--resume]`.

    Logs a line a report and returns the checkpoint. Raises HilError as hil.training.loop.train does.
    """
    from hil.training.loop import train

    logging.getLogger("hil").setLevel(logging.INFO)
    return train(
        model, data, out,
        images=images, minutes=minutes, threads=threads, seed=seed, is_resumed=is_resumed, cache=cache,
    )  # fmt: skip
