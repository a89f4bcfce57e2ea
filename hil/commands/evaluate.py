"""`hil evaluate`: average precision on a data set, in float, in integers and on targets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.commands.console import console, progress
from hil.commands.options import DEFAULT_BOARD, BoardName, DataFolder, Model, ReportFile


def evaluate(
    model: Model,
    data: DataFolder,
    target: Annotated[
        str, typer.Option("--target", "-t", help="float, integer, native or sim; several, with commas, are compared.")
    ] = "integer",
    board: BoardName = DEFAULT_BOARD,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that work at once.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many photos, spread over the set.")] = None,
    multi_scale: Annotated[bool, typer.Option("--multi-scale", help="The paper's convention; float only.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew instead of going on.")] = False,
    report: ReportFile = None,
    store: Annotated[
        Path | None, typer.Option(help="Folder for results as they come.", show_default="build/evaluate")
    ] = None,
) -> None:
    """Measure a face detector's average precision on WIDER FACE's validation set, by the official protocol.

    Interrupted, it goes on where it was when it is called again.
    """
    from hil.evaluation.run import RESULTS, Task, evaluate_model
    from hil.report.evaluation_html import write_evaluation
    from hil.report.terminal import precision_table

    ways = tuple(dict.fromkeys(target.split(",")))
    task = Task(model, data, ways, board, jobs, multi_scale, limit, store or RESULTS, fresh)
    with progress() as step:
        found = evaluate_model(task, step)
    if report is not None:
        write_evaluation(task, found, report)
    console.print(precision_table(model, found, multi_scale))
