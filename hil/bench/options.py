"""Options that several commands of `hil` have."""

from __future__ import annotations

import re
from typing import Annotated

import typer


def ram_bytes(text: str) -> int:
    """A number of bytes, or of KiB with a K behind it. Raises typer.BadParameter for anything else."""
    match = re.fullmatch(r"([0-9]{1,12})([Kk]?)", text)
    if match is None:
        raise typer.BadParameter(f"{text[:40]!r} is no number of bytes: 98304, or 96K")
    return int(match[1]) * (1024 if match[2] else 1)


RamBudget = Annotated[
    int | None,
    typer.Option(
        "--ram-budget",
        metavar="BYTES",
        parser=ram_bytes,
        help="RAM on the chip that the whole firmware may take (98304, 96K); the fastest schedule within it is built.",
    ),
]
