"""`hil selftest`: the bench, broken on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from hil.commands.console import console, leave, paragraph, progress
from hil.commands.options import Cluster
from hil.paths import BUILD

if TYPE_CHECKING:
    from rich.table import Table

    from hil.selftest.campaign import Verdict


def selftest(
    subject: Annotated[list[str] | None, typer.Option(help="Only these networks; repeatable.")] = None,
    operator: Annotated[list[str] | None, typer.Option(help="Only these operators; repeatable.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that work at the same time.")] = 1,
    store: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the results so far.", show_default="build/selftest")
    ] = BUILD / "selftest",
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the results so far.")] = False,
    cluster: Cluster = None,
    table: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table of docs/verdict.md here.")] = None,
) -> None:
    """Break firmware, plan, link, references and reports on purpose, in hundreds of ways; every mutant must fail.

    A call continues a stopped campaign. Survivors are shown with their change; exit code 1 if there is one.
    """
    from hil.files import write_text
    from hil.selftest import campaign
    from hil.selftest.table import markdown

    if fresh:
        for path in store.glob("*.jsonl"):
            path.unlink()
    with progress() as step:
        found = campaign.run(subject or [], operator or [], store, jobs, step, cluster)
    alive = campaign.survivors(found)
    for verdict in alive:
        console.print(Text(f"{verdict.name} survives", style="bold red"))
        console.print(paragraph(verdict.diff), highlight=False, markup=False)
    console.print(_summary(found, alive))
    if table is not None:
        write_text(table, markdown(found))
    leave([not alive])


def _summary(found: list[Verdict], alive: list[Verdict]) -> Table:
    counted = [verdict for verdict in found if verdict.is_counted]
    killed = [verdict for verdict in counted if verdict.is_killed]
    from rich.table import Table

    table = Table(show_header=False, title="Mutants of the bench", title_justify="left")
    for name, count in (
        ("operators", len({verdict.operator for verdict in counted})), ("mutants", len(counted)),
        ("killed", len(killed)),
        ("by the check that was expected", sum(verdict.is_right for verdict in killed)),
        ("equivalent, argued", len(counted) - len(killed) - len(alive)), ("survivors", len(alive)),
        ("not counted: never run, or not compiled", len(found) - len(counted)),
    ):  # fmt: skip
        table.add_row(name, str(count))
    return table
