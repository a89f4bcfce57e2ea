"""`hil init`: a project of your own, whose tests pass at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.commands.console import console, progress, shortest
from hil.commands.options import DEFAULT_BOARD, DEFAULT_MODEL, BoardName


def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Folder of the project.", show_default="here")] = Path(
        "."
    ),
    model: Annotated[
        str, typer.Option(metavar="MODEL", help="A shipped model's name, or a checkpoint.")
    ] = DEFAULT_MODEL,
    board: BoardName = DEFAULT_BOARD,
) -> None:
    """Make a small project: tests in pytest and Robot Framework, limits, a workflow for CI."""
    from hil import board as boards
    from hil.project.layout import lay_down

    with progress() as step:
        step(f"planning {model}", 0)
        project = lay_down(folder, model, boards.load(board))
    for name in project.files:
        console.print(f"  {name}", highlight=False, markup=False)
    there = "" if folder.resolve() == Path.cwd() else f"cd {shortest(folder.resolve())} && "
    console.print(f"next: {there}pytest", soft_wrap=True, highlight=False, markup=False)
