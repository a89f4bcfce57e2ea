"""`hil import edgeml`: a checkpoint of microsoft/EdgeML's made one of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.commands import outputs
from hil.commands.console import console, progress, shortest
from hil.commands.options import NetworkOption


def edgeml(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="Its .pth file.", show_default=False)],
    model: Annotated[str, typer.Option(help="The checkpoint's network.", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The checkpoint to write.", show_default=False, callback=outputs.file)
    ],
    images: Annotated[Path | None, typer.Option(help="Folder with a few hundred typical photos, for ranges.")] = None,
    network: NetworkOption = None,
    count: Annotated[int, typer.Option(min=1, help="At most this many of them, spread over the folder.")] = 256,
) -> None:
    """Import a checkpoint of microsoft/EdgeML's networks and calibrate its activation ranges."""
    from hil.checkpoints.importing import import_edgeml

    with progress() as step:
        used = import_edgeml(checkpoint, model, out, images, count, step)
    whose = "photos" if images else "sample photos (better: hil quantise with photos of your own)"
    console.print(f"{shortest(out)}: {model}, ranges from {used} {whose}; next: hil build {shortest(out)}")
