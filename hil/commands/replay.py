"""`hil replay`: a recorded session judged again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.commands.console import progress
from hil.commands.options import JsonFile, ReportFile
from hil.commands.results import conclude


def replay(
    recording: Annotated[Path, typer.Argument(metavar="FILE", help="Made by hil run --record.", show_default=False)],
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="The model, under its name here.")] = None,
    json: JsonFile = None,
    report: ReportFile = None,
) -> None:
    """Judge a recorded session again, without a board and without a compiler."""
    from hil.bench.replay import replay

    with progress() as step:
        subjects = replay(recording, model, step)
    conclude(subjects, json, report)
