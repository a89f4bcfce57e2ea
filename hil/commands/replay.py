"""`hil replay`: a recorded session judged again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from zipfile import is_zipfile

import typer

from hil.commands.console import console, leave, paragraph, progress
from hil.commands.options import JsonFile, LimitsFile, ReportFile
from hil.commands.results import conclude, show, write_results
from hil.errors import HilError


def replay(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A recording, or a failure's .hil.zip.", show_default=False)
    ],
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="The model's name on this computer.")] = None,
    json: JsonFile = None,
    report: ReportFile = None,
    limits: LimitsFile = None,
) -> None:
    """Judge a recorded session again, without a board and without a compiler; or run a failure's bundle again.

    The limits are the board's of today, with those over them that the run was given, and --limits over both.
    A bundle that fails again gives exit code 1, and the command says whether it failed in the same way.
    """
    if file.is_file() and is_zipfile(file):
        if limits is not None:
            raise HilError(f"{file} is a bundle, which is judged by the limits in it: omit --limits")
        _bundle(file, json, report)
        return
    from hil.bench.replay import replay

    with progress() as step:
        subjects = replay(file, model, step, override=limits)
    conclude(subjects, json, report)


def _bundle(file: Path, json: Path | None, report: Path | None) -> None:
    """A bundle run again."""
    from hil.failure.again import run_again
    from hil.failure.bundle import open_bundle

    bundle = open_bundle(file)
    with progress() as step:
        found = run_again(bundle, step)
    if found.subject is not None:
        write_results([found.subject], json, report)
        show([found.subject])
    if found.error is not None:
        console.print(paragraph(found.error), markup=False, highlight=False, soft_wrap=True)
    failure = bundle.failure
    verdict = f"the same failure on {found.where}" if found.is_same else f"not the same failure on {found.where}"
    console.print(f"{verdict}", highlight=False)
    for line in (*found.differences, f"{failure.test}: {failure.text}" if failure.test else failure.text):
        console.print(paragraph(f"  {line}"), markup=False, highlight=False, soft_wrap=True)
    leave([not found.is_same and found.error is None and (found.subject is None or found.subject.run.passed)])
