"""`hil demo`: the whole way once, with the shipped network and a photo of a face."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.commands import outputs
from hil.commands.console import console, leave, progress, shortest
from hil.commands.options import DEFAULT_BOARD, DEFAULT_MODEL, At, BoardName, TargetName, Timing, Toolchain
from hil.files import writing_below
from hil.paths import BUILD


def demo(
    target: TargetName = "sim",
    board: BoardName = DEFAULT_BOARD,
    out: Annotated[
        Path, typer.Option(help="Folder for the results.", show_default="build/demo", callback=outputs.folder)
    ] = BUILD / "demo",
    at: At = None,
    timing: Timing = None,
    toolchain: Toolchain = None,
) -> None:
    """Find the face in a photo on a simulated board, and compare the result with the references."""
    from hil.bench.batch import BOTH, Job, demo_photo, run_job
    from hil.commands.results import show, write_results

    with writing_below(out):
        for stale in ("run.json", "report.html"):
            (out / stale).unlink(missing_ok=True)
    timing = timing or (BOTH if target == "sim" else None)
    with progress() as step:
        step("writing the photo", 0)
        photo = demo_photo(out / "image.png", DEFAULT_MODEL)
        subjects = run_job(
            Job(DEFAULT_MODEL, (shortest(photo),), target, board, at=at, timing=timing, toolchain=toolchain), step
        )
    write_results(subjects, out / "run.json", out / "report.html")
    show(subjects)
    console.print()
    console.print(f"{shortest(out / 'report.html')} shows it, {shortest(out / 'run.json')} has it all")
    leave(subject.run.passed for subject in subjects)
