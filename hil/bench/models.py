"""What `hil models` shows: every network beside the paper's figures."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group
from rich.table import Table
from rich.text import Text

from hil.reference.costs import Costs
from hil.reference.paper import Entry


def models_table(found: Iterable[tuple[Entry, Costs]]) -> Group:
    """Parameters, multiply-accumulates and the paper's peak RAM, then one line a network on what differs and why."""
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


def _beside(ours: str, printed: str | None) -> str:
    return ours if printed is None else f"{ours} [dim]({printed})[/]"


def millions(operations: int) -> str:
    """Operations in millions."""
    return f"{operations / 1e6:,.2f} M"


def size(count: int) -> str:
    """Bytes as KB, from 1 MB on as MB (of 1024); a dash for none."""
    if count == 0:
        return "-"
    return f"{count / 2**20:.2f} MB" if count >= 2**20 else f"{count / 2**10:.1f} KB"
