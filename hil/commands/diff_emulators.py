"""`hil diff-emulators`: drawn programs, or drawn photos, on the sim and on Renode, and where the two first differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from hil.commands.console import console, leave, paragraph, progress
from hil.commands.options import DEFAULT_BOARD, BoardName

PROGRAMS, PHOTOS = 500, 5


def diff_emulators(
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the first program or photo; each further one has the next seed.")
    ] = 0,
    count: Annotated[
        int | None,
        typer.Option(min=1, help="Number of programs or photos.", show_default=f"{PROGRAMS}; photos {PHOTOS}"),
    ] = None,
    board: BoardName = DEFAULT_BOARD,
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Send drawn photos to this model's firmware, instead of drawing programs."),
    ] = None,
) -> None:
    """Run drawn programs of eight instructions on the sim and on Renode, or drawn photos through a firmware.

    Each difference is a bug in one of the two (docs/renode.md); exit code 1 if there is one.
    """
    from hil import board as boards
    from hil.firmware.build import build
    from hil.measure.disagreement import disagreements
    from hil.measure.drawn_photos import photo_disagreements

    found: Sequence[object]
    with progress() as step:
        if model is None:
            what, count = "programs", count or PROGRAMS
            found = disagreements(boards.load(board), seed, count, step=step)
        else:
            what, count = "photos", count or PHOTOS
            step(f"building {model} for {board}", 0)
            found = photo_disagreements(build(model, board), seed, count, step=step)
    for one in found:
        console.print(paragraph(str(one)), soft_wrap=True)
    console.print(f"{len(found)} of {count} {what} differ between sim and Renode", highlight=False)
    leave([not found])
