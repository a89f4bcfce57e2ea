"""`hil run`: photos through a firmware, judged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.commands import outputs
from hil.commands.console import progress, say
from hil.commands.options import (
    DEFAULT_BOARD,
    At,
    BoardName,
    FailuresFolder,
    Generated,
    JsonFile,
    Kernels,
    LimitsFile,
    Model,
    NetworkOption,
    RamBudget,
    RecordFile,
    ReportFile,
    TargetName,
    Timing,
    Toolchain,
)
from hil.commands.results import conclude, name_bundles
from hil.paths import BUILD


def run(
    model: Model,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Photos: PNG, JPEG, ...", show_default=False)],
    target: TargetName = "sim",
    board: BoardName = DEFAULT_BOARD,
    json: JsonFile = None,
    report: ReportFile = None,
    fit: Annotated[bool, typer.Option("--fit", help="Letterbox and convert any photo to the network's input.")] = False,
    elf: Annotated[Path | None, typer.Option(metavar="FILE", help="Run this firmware instead of building one.")] = None,
    limits: LimitsFile = None,
    out: Generated = None,
    at: At = None,
    record: RecordFile = None,
    timing: Timing = None,
    kernels: Kernels = "fast",
    ram_budget: RamBudget = None,
    toolchain: Toolchain = None,
    monitor: Annotated[
        int | None, typer.Option(metavar="PORT", help="Renode's monitor at this port of this machine.")
    ] = None,
    gdb: Annotated[
        int | None, typer.Option(metavar="PORT", help="Renode waits for GDB at this port of this machine; 0: any.")
    ] = None,
    network: NetworkOption = None,
    failures: FailuresFolder = BUILD / "failures",
    coverage: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write here, as lcov or HTML, which lines of the firmware ran.", callback=outputs.file
        ),
    ] = None,
    coverage_limit: Annotated[
        float | None, typer.Option(min=0, max=100, metavar="PERCENT", help="Fail if fewer of the lines ran.")
    ] = None,
) -> None:
    """Run photos through the firmware and compare with the references."""
    from hil.bench.batch import Job, run_job
    from hil.failure.leaving import Leaving
    from hil.failure.session import Session
    from hil.measure.coverage.gather import covering
    from hil.targets.pyrenode.gdb import Gdb

    job = Job(
        model,
        tuple(images),
        target,
        board,
        fit,
        elf,
        limits,
        out,
        at,
        record,
        timing,
        kernels,
        ram_budget,
        toolchain,
        monitor,
        None if gdb is None else Gdb(say, gdb),
    )
    leaving = Leaving(failures)
    try:
        with covering(coverage, coverage_limit), progress() as step:
            subjects = run_job(job, step, Session, leaving.of_run)
    finally:
        name_bundles(leaving.left)
    conclude(subjects, json, report)
