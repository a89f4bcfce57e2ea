"""`hil models`: every network beside the paper's figures, and measured."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from hil.commands.console import console, leave, paragraph, progress
from hil.commands.options import Cluster

if TYPE_CHECKING:
    from rich.console import Group

    from hil.reference.costs import Costs
    from hil.reference.paper import Entry


def models(
    networks: Annotated[
        list[str] | None,
        typer.Argument(metavar="NETWORK", help="With --measure or --boards: only these.", show_default=False),
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Build and run each; print rows of docs/models.md.")
    ] = False,
    checkpoints: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder with NETWORK.safetensors, used instead of seeded weights."),
    ] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="WIDER FACE, for AP of trained networks.")] = None,
    on_boards: Annotated[
        bool, typer.Option("--boards", help="Plan each on every board: RAM and predicted cycles, or what is missing.")
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that evaluate at the same time.")] = 1,
    cluster: Cluster = None,
) -> None:
    """Show each network's parameters, operations and peak RAM as the paper counts them, beside the paper's figures.

    --boards shows which network fits which board. --measure runs each on its board, and shows RAM, flash, cycles and
    the number of layers that differ from the integer reference.
    """
    if on_boards:
        _boards(networks or [], checkpoints)
        return
    if measure:
        _measure(networks or [], checkpoints, data, jobs, cluster)
        return
    from hil.reference.paper import entries

    with progress() as step:
        found = []
        for i, entry in enumerate(known := entries()):
            step("counting", i / len(known))
            found.append((entry, entry.costs()))
    console.print(models_table(found))


def _boards(networks: list[str], checkpoints: Path | None) -> None:
    from hil.measure.boards import fits, header, row

    console.print(paragraph(header([])), soft_wrap=True)
    with progress() as step:
        for found in fits(networks, [], checkpoints, step):
            console.print(row(found), soft_wrap=True, highlight=False, markup=False)


def _measure(networks: list[str], checkpoints: Path | None, data: Path | None, jobs: int, cluster: str | None) -> None:
    from hil.measure.networks import HEADER, Measured, measure, row

    is_exact = []
    console.print(paragraph(HEADER), soft_wrap=True)
    with progress() as step:
        for found in measure(networks, checkpoints, data, jobs, step, cluster):
            console.print(row(found), soft_wrap=True, highlight=False, markup=False)
            if isinstance(found, Measured):
                is_exact.append(found.run.bit_exact)
    leave(is_exact)


def models_table(found: Iterable[tuple[Entry, Costs]]) -> Group:
    """Parameters, multiply-accumulates and the paper's peak RAM, then one line a network on what differs and why."""
    from rich.console import Group
    from rich.table import Table

    table = Table("network", "input", title="Networks, and in brackets what the paper prints", title_justify="left")
    for name in ("parameters", "convolutions", "RNNs", "MACs in all", "peak RAM, the paper's way"):
        table.add_column(name, justify="right")
    notes: list[Text] = []
    for entry, cost in found:
        printed, operations = entry.printed, entry.operations(cost)
        table.add_row(
            entry.title,
            "x".join(map(str, (entry.spec.input_shape[2], entry.spec.input_shape[1], entry.spec.input_shape[0]))),
            _beside(f"{cost.parameters:,}", printed.parameters),
            millions(cost.convolutions),
            millions(operations - cost.convolutions),
            _beside(millions(operations), printed.operations),
            _beside(size(entry.peak_bytes(cost)), printed.ram),
        )
        if entry.difference:
            sparse = f"; {cost.parameters - cost.zeroed:,} parameters are not 0" if entry.is_sparse else ""
            notes.append(Text.assemble((entry.title.strip(), "bold"), f": {entry.difference}{sparse}"))
    return Group(table, *notes)


def _beside(ours: str, printed: str | None) -> Text:
    return Text(ours) if printed is None else Text.assemble(ours, " ", (f"({printed})", "dim"))


def millions(operations: int) -> str:
    """Operations in millions."""
    return f"{operations / 1e6:,.2f} M"


def size(count: int) -> str:
    """Bytes as KB, from 1 MB on as MB (of 1024); a dash for none."""
    if count == 0:
        return "-"
    return f"{count / 2**20:.2f} MB" if count >= 2**20 else f"{count / 2**10:.1f} KB"
