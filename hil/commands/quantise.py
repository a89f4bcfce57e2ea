"""`hil quantise`: a checkpoint's activation ranges, from photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hil.commands import outputs
from hil.commands.console import console, progress
from hil.commands.options import Model, NetworkOption
from hil.errors import HilError


def quantise(
    model: Model,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The checkpoint to write.", show_default=False, callback=outputs.file)
    ],
    images: Annotated[Path | None, typer.Option(metavar="DIR", help="A few hundred typical photos.")] = None,
    faces: Annotated[Path | None, typer.Option(metavar="DIR", help="WIDER FACE, for the operating point.")] = None,
    count: Annotated[int, typer.Option(min=1, help="At most this many photos, spread over the folder.")] = 256,
    precision: Annotated[
        Literal["float16", "int8"] | None,
        typer.Option("--weights", help="Keep matrices in half precision; int8: convolutions in 8 bits, too."),
    ] = None,
    network: NetworkOption = None,
) -> None:
    """Calibrate a checkpoint's activation ranges on photos, so that it can be built.

    --faces also chooses the operating point, the lowest score of a box that people are shown: one false box a photo on
    every 20th training photo. Without --images the ranges stay: a network that has learnt its rounding needs its own.
    """
    from hil.checkpoints.calibration import calibrate_checkpoint, round_checkpoint
    from hil.checkpoints.operating_point import add_operating_point

    if images is None and faces is None and precision is None:
        raise HilError("nothing to do: give --images for ranges, --faces for an operating point, or --weights")
    with progress() as step:
        if images is not None:
            used = calibrate_checkpoint(model, images, out, count, step, precision)
            console.print(f"{out}: ranges from {used} photos")
        elif precision is not None:
            round_checkpoint(model, out, precision)
        is_begun = images is not None or precision is not None
        if faces is not None:
            score = add_operating_point(str(out) if is_begun else model, faces, out, step)
            console.print(f"{out}: operating point {score:.2f}")
    console.print(f"next: hil build {out}")
