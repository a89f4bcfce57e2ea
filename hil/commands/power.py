"""`hil power`: a lab's board switched off and on."""

from __future__ import annotations

from typing import Annotated

import typer

from hil.commands.console import console
from hil.commands.options import DEFAULT_BOARD, At
from hil.errors import HilError

HOW = ("on", "off", "cycle")


def power(
    how: Annotated[str, typer.Argument(metavar="|".join(HOW), help="What to do with the supply.")],
    at: At = None,
) -> None:
    """Switch a board's supply by hil-boards.toml's commands; no other run may be using the board."""
    from hil import board as boards
    from hil.targets import inventory, power, shelf

    if how not in HOW:
        raise HilError(f"hil power {how}: choose one of {', '.join(HOW)}")
    asked = inventory.connection(at or "")
    if asked.kind is None and asked.place is None:
        raise HilError("hil power switches a board of the inventory: name it with --at NAME")
    if how == "on" and asked.place is None:  # its adapter may be without power too, so that there is no port to hold
        power.switch(asked, True)
    else:
        held = shelf.take(boards.load(asked.kind or DEFAULT_BOARD), asked)
        try:
            power.cycle(held.switch) if how == "cycle" else held.switch(how == "on")
        finally:
            held.release()
    console.print(f"{asked.name or asked.place} is {'off' if how == 'off' else 'on'}", highlight=False)
