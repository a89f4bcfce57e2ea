"""Options that several commands of `hil` have."""

from __future__ import annotations

from typing import Annotated

import typer


def ram_bytes(text: str) -> int:
    """A number of bytes, or of KiB with a K behind it. Raises typer.BadParameter for anything else."""
    number, unit = (text[:-1], 1024) if text[-1:] in ("K", "k") else (text, 1)
    if not number.isdecimal():
        raise typer.BadParameter(f"{text!r} is no number of bytes: 98304, or 96K")
    return int(number) * unit


RamBudget = Annotated[
    int | None,
    typer.Option(
        "--ram-budget",
        metavar="BYTES",
        parser=ram_bytes,
        help="RAM on the chip that the whole firmware may take (98304, 96K); the fastest schedule within it is built.",
    ),
]
