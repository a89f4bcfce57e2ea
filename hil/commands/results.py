"""The results of commands that run photos: run.json, report.html, the verdict and an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from hil.commands.console import console, errors, leave, shortest
from hil.files import is_standard_output

if TYPE_CHECKING:
    from hil.bench.run import Subject


def write_results(subjects: Sequence[Subject], json_path: Path | None, report_path: Path | None) -> None:
    """Write run.json and report.html, those that are asked for."""
    from hil.bench.run import write_json
    from hil.report.run_html import write_report

    if json_path is not None:
        write_json([subject.run for subject in subjects], json_path)
    if report_path is not None:
        write_report(subjects, report_path)


def show(subjects: Sequence[Subject], where: Console = console) -> None:
    """Print the verdict of one run, or a line each of several."""
    from hil.report.terminal import verdict, verdicts

    runs = [subject.run for subject in subjects]
    where.print(verdict(runs[0]) if len(runs) == 1 else verdicts(runs))


def name_bundles(left: Sequence[Path]) -> None:
    """Say where failures can be taken home from."""
    for path in left:
        errors.print(f"all about the failure: hil show {shortest(path)}", soft_wrap=True, highlight=False, markup=False)


def conclude(subjects: Sequence[Subject], json_path: Path | None, report_path: Path | None) -> None:
    """Write, show, and end with code 1 unless every run passed."""
    write_results(subjects, json_path, report_path)
    is_taken = is_standard_output(json_path) or is_standard_output(report_path)
    show(subjects, errors if is_taken else console)
    leave(subject.run.passed for subject in subjects)
