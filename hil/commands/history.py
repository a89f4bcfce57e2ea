"""`hil history`: results by commit, and a page of charts over them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.commands import outputs
from hil.commands.console import console, errors, shortest


def history(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="A folder of results by commit.", show_default=False)],
    add: Annotated[Path | None, typer.Option(metavar="RESULTS", help="Add these results under their commit.")] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page; default STORE/history.html.", callback=outputs.file)
    ] = None,
    tolerance: Annotated[Path | None, typer.Option(metavar="FILE", help="TOML, as for hil compare.")] = None,
    dirty: Annotated[
        bool, typer.Option("--dirty", help="Also add results of a tree with uncommitted changes.")
    ] = False,
) -> None:
    """Keep results by commit, and draw cycles, RAM, flash, accuracy and speed over all commits."""
    from hil.gate import store as stores
    from hil.gate.steps import steps
    from hil.gate.tolerance import load_tolerances
    from hil.locks import held
    from hil.report.history_html import write_history

    tolerances = load_tolerances(tolerance)
    with held(f"the history in {store.absolute()}"):
        if add is not None:
            commit = stores.add(store, add, dirty)
            console.print(f"took in {commit[:10]}", highlight=False)
        commits, damaged = stores.read(store)
    for line in damaged:
        errors.print(f"left out: {line}", soft_wrap=True, highlight=False, markup=False)
    path = html or store / "history.html"
    write_history(list(steps(commits, tolerances)), damaged, path)
    console.print(f"{shortest(path)} shows {len(commits)} commits", highlight=False, soft_wrap=True)
    if damaged:
        raise typer.Exit(1)
