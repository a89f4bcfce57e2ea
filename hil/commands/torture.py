"""`hil torture`: faults on the link, by the million."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hil.commands.console import console, leave, progress
from hil.commands.options import At, TargetName
from hil.paths import BUILD

if TYPE_CHECKING:
    from rich.table import Table

    from hil.torture.campaign import Summary


def torture(
    target: TargetName = "native",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the campaign.")] = 1,
    cases: Annotated[
        int, typer.Option(min=1, help="Sessions; a quarter with 40 faults on the line each, see docs/reliability.md.")
    ] = 1000,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that work at the same time.")] = 1,
    at: At = None,
    store: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the results so far.", show_default="build/torture")
    ] = BUILD / "torture",
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the results of this target and seed.")] = False,
) -> None:
    """Inject faults into sessions with a firmware: on the line, at its ends, by a board or a host that lies.

    Each session must end within the link's bounds, with a bit-exact result or a named error, and the next run must be
    clean. A call continues a stopped campaign. Failed sessions are shown with their numbers; exit code 1.
    """
    from hil.torture.campaign import Campaign, run

    campaign = Campaign(target, seed, cases, store, jobs, at)
    if fresh:
        campaign.file.unlink(missing_ok=True)
    with progress() as step:
        found = run(campaign, step)
    for failure in found.failures:
        console.print(failure, highlight=False, soft_wrap=True)
    console.print(_table(target, found))
    leave([not found.failures])


def _table(target: str, found: Summary) -> Table:
    from rich import box
    from rich.table import Table

    from hil.torture.campaign import shares

    title = f"{found.cases} sessions on {target}, {found.faults.total()} faults"
    table = Table("faults", "", "sessions that ended", "", box=box.SIMPLE_HEAD, title=title, title_justify="left")
    faults, results = sorted(found.faults.items()), shares(found)
    for n in range(max(len(faults), len(results))):
        left = (faults[n][0], str(faults[n][1])) if n < len(faults) else ("", "")
        right = (results[n][0], str(results[n][1])) if n < len(results) else ("", "")
        table.add_row(*left, *right)
    return table
