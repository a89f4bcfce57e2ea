"""`hil flash`: a firmware written to a board."""

from __future__ import annotations

from typing import Annotated

import typer

from hil.commands.console import console
from hil.commands.options import DEFAULT_BOARD, DEFAULT_MODEL, BoardName, Elf, ModelOrDefault, NetworkOption, Toolchain


def flash(
    model: ModelOrDefault = DEFAULT_MODEL,
    board: BoardName = DEFAULT_BOARD,
    elf: Elf = None,
    toolchain: Toolchain = None,
    with_: Annotated[
        str | None, typer.Option("--with", metavar="TOOL", help="openocd, pyocd, st-flash, probe-rs or drive.")
    ] = None,
    probe: Annotated[str | None, typer.Option(metavar="NUMBER", help="Serial number of the debug probe.")] = None,
    network: NetworkOption = None,
) -> None:
    """Build a model's firmware and write it to the board at a debug probe."""
    from hil import board as all_boards
    from hil.firmware.build import build
    from hil.firmware.elf import check_elf
    from hil.targets import flashing, ports

    chosen = all_boards.load(board)
    tool = flashing.choose_tool(chosen, with_)
    number = ports.find_probe(chosen, probe, "")
    firmware = elf if elf is not None else build(model, board, toolchain=toolchain).elf
    check_elf(firmware, chosen)
    console.print(flashing.flash(tool, chosen, firmware, number), soft_wrap=True, highlight=False)
