"""The page of a history: charts over commits, and beside them a table with what moved at each commit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hil.files import write_text
from hil.gate.steps import Step
from hil.gate.store import Commit
from hil.report.comparison import change, percent
from hil.report.history_charts import anchor, charts
from hil.report.pages import template
from hil.report.terminal import figure

MOST_ROWS = 12  # of what moved at one commit
MOST_COLUMNS = 8


def write_history(found: Sequence[Step], damaged: Sequence[str], path: Path) -> None:
    """Write the page; the file is there as a whole or not at all."""
    write_text(path, render(found, damaged))


def render(found: Sequence[Step], damaged: Sequence[str] = ()) -> str:
    """The page as HTML, in one file without anything from elsewhere. found: the oldest commit first."""
    commits = [step.commit for step in found]
    pictures = list(charts(commits))
    columns = [(series, chart.name) for chart in pictures for series in chart.lines][:MOST_COLUMNS]
    page = template("history.html.j2", figure=figure, change=change, percent=percent, anchor=anchor)
    return page.render(
        steps=[_row(step, columns) for step in reversed(found)], charts=pictures, columns=columns, damaged=damaged,
        most=MOST_ROWS,
    )  # fmt: skip


def _row(step: Step, columns: Sequence[tuple[str, str]]) -> dict[str, Any]:
    commit: Commit = step.commit
    cells = [commit.figures.get(series, {}).get(name) for series, name in columns]
    return {"step": step, "commit": commit, "day": commit.committed[:10], "cells": cells}
