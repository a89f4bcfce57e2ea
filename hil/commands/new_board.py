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
    tx: Annotated[str | None, typer.Option(metavar="PIN", help="Its TX pin [default: the first possible one].")] = None,
    rx: Annotated[str | None, typer.Option(metavar="PIN", help="Its RX pin [default: the first possible one].")] = None,
    crystal: Annotated[int, typer.Option(metavar="HZ", help="Frequency of the crystal; 0: none.")] = 0,
    clock: Annotated[int | None, typer.Option(metavar="HZ", help="Core clock [default: the chip's highest].")] = None,
    baud: Annotated[int, typer.Option(help="Speed of the link.")] = 921_600,
    title: Annotated[str | None, typer.Option(help="The board's name for people [default: the folder's].")] = None,
) -> None:
    """Make a board's folder with board.toml and the schema for editors, and list the values that you must fill in."""
    from hil.board.scaffold import Wishes, new_board

    wishes = Wishes(chip, uart, tx, rx, crystal, clock, baud, title)
    board, unknown = new_board(folder, wishes)
    console.print(f"{shortest(folder)}: {board.title}, {board.chip} at {board.clock_hz / 1e6:g} MHz", highlight=False)
    for line in unknown:
        console.print(f"- {line}", highlight=False, soft_wrap=True)
    console.print(f"next: hil plan MODEL --board {shortest(folder)}", highlight=False, soft_wrap=True)
