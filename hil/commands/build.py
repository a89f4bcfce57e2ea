"""`hil build`: a network as a board's firmware."""

from __future__ import annotations

from typing import Annotated

import typer

from hil.commands.console import console, progress
from hil.commands.options import (
    DEFAULT_BOARD,
    BoardName,
    Generated,
    Kernels,
    Model,
    NetworkOption,
    RamBudget,
    Toolchain,
)


def build(
    model: Model,
    board: BoardName = DEFAULT_BOARD,
    out: Generated = None,
    native: Annotated[bool, typer.Option("--native", help="Build for this machine instead of the board.")] = False,
    kernels: Kernels = "fast",
    ram_budget: RamBudget = None,
    toolchain: Toolchain = None,
    network: NetworkOption = None,
) -> None:
    """Compile a network to C and build the firmware for a board."""
    from hil.firmware.build import NATIVE, build
    from hil.report.terminal import build_table

    with progress() as step:
        step(f"building {model} for {NATIVE if native else board}", 0)
        firmware = build(model, board, out, NATIVE if native else None, kernels, ram_budget, toolchain)
        table = build_table(firmware)
    console.print(table)
