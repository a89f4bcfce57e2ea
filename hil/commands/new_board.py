"""`hil new-board`: a board's folder to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.commands.console import console, shortest


def new_board(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make; its name is the board's.")],
    chip: Annotated[str, typer.Option(help="The part number, such as STM32F407VG.", prompt="Chip (STM32F4...)")],
    uart: Annotated[str, typer.Option(help="The link's UART, such as usart2.", prompt="UART of the link")],
    tx: Annotated[str | None, typer.Option(metavar="PIN", help="Its TX pin [default: the first that can be].")] = None,
    rx: Annotated[str | None, typer.Option(metavar="PIN", help="Its RX pin [default: the first that can be].")] = None,
    crystal: Annotated[int, typer.Option(metavar="HZ", help="Of the crystal; 0: there is none.")] = 0,
    clock: Annotated[int | None, typer.Option(metavar="HZ", help="Of the core [default: the chip's most].")] = None,
    baud: Annotated[int, typer.Option(help="Of the link.")] = 921_600,
    title: Annotated[str | None, typer.Option(help="As people call it [default: the folder's name].")] = None,
) -> None:
    """Make a board's folder with its board.toml and the schema for editors, and say what cannot be known from here."""
    from hil.board.scaffold import Wishes, new_board

    wishes = Wishes(chip, uart, tx, rx, crystal, clock, baud, title)
    board, unknown = new_board(folder, wishes)
    console.print(f"{shortest(folder)}: {board.title}, {board.chip} at {board.clock_hz / 1e6:g} MHz", highlight=False)
    for line in unknown:
        console.print(f"- {line}", highlight=False, soft_wrap=True)
    console.print(f"next: hil plan MODEL --board {shortest(folder)}", highlight=False, soft_wrap=True)
