"""`hil quantise`: a checkpoint's activation ranges, from photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.commands import outputs
from hil.commands.console import console, progress
from hil.commands.options import Model


def quantise(
    model: Model,
    images: Annotated[Path, typer.Option(help="Folder with a few hundred typical photos.", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The checkpoint to write.", show_default=False, callback=outputs.file)
    ],
    count: Annotated[int, typer.Option(min=1, help="At most so many photos, spread over the folder.")] = 256,
) -> None:
    """Calibrate a checkpoint's activation ranges on photos, so that it can be built."""
    from hil.checkpoints.calibration import calibrate_checkpoint

    with progress() as step:
        used = calibrate_checkpoint(model, images, out, count, step)
    console.print(f"{out}: ranges from {used} photos; next: hil build {out}")
