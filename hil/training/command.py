"""What the command line calls. Importing this before torch and numba sets both up for training."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import llvmlite.binding  # type: ignore[import-untyped]

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # the sweep kernels' threads need the cores between torch's loops
_features = llvmlite.binding.get_host_cpu_features()
if _features.get("avx512f"):  # LLVM prefers half the width on these; the sweeps run 1.4 times as fast with all of it
    os.environ.setdefault("NUMBA_CPU_NAME", llvmlite.binding.get_host_cpu_name())
    os.environ.setdefault("NUMBA_CPU_FEATURES", _features.flatten() + ",-prefer-256-bit")


def train_command(
    model: str,
    data: Sequence[Path],
    out: Path,
    images: int | None = None,
    minutes: float | None = None,
    threads: int = 2,
    seed: int = 0,
    is_resumed: bool = False,
    cache: Path | None = None,
    start: Path | None = None,
    recipe: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    is_quantised: bool = False,
    teacher: Path | None = None,
) -> Path:
    """`hil train MODEL --data DIR [...] [--out DIR] [--images N] [--minutes M] [--threads T] [--seed S] [--resume]`.

    Logs a line a report and returns the checkpoint. Raises HilError as hil.training.loop.train does.
    """
    from hil.training.device import choose
    from hil.training.loop import train
    from hil.training.recipe import load_recipe

    logging.getLogger("hil").setLevel(logging.INFO)
    return train(
        model, data, out,
        images=images, minutes=minutes, threads=threads, seed=seed, is_resumed=is_resumed, cache=cache,
        start=start, recipe=None if recipe is None else load_recipe(model, recipe),
        device=choose(device, precision), is_quantised=is_quantised, teacher=teacher,
    )  # fmt: skip
