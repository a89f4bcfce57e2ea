"""`hil diff-emulators`: drawn programs on the sim and on Renode, and where the two first differ."""

from __future__ import annotations

from typing import Annotated

import typer

from hil.commands.console import console, leave, progress
from hil.commands.options import DEFAULT_BOARD, BoardName


def diff_emulators(
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the first program; each further one has the next seed.")
    ] = 0,
    count: Annotated[int, typer.Option(min=1, help="Number of programs, of eight instructions each.")] = 500,
    board: BoardName = DEFAULT_BOARD,
) -> None:
    """Run drawn instructions on the sim and on Renode; each difference is a bug in one of them (docs/renode.md)."""
    from hil import board as boards
    from hil.measure.disagreement import disagreements

    with progress() as step:
        found = disagreements(boards.load(board), seed, count, step=step)
    for one in found:
        console.print(str(one), soft_wrap=True, highlight=False, markup=False)
    console.print(f"{len(found)} of {count} programs differ between sim and Renode", highlight=False)
    leave([not found])
