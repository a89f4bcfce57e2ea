"""`hil plan`: schedule, buffers and RAM of a network on a board, without building anything."""

from __future__ import annotations

from hil.commands.console import console
from hil.commands.options import DEFAULT_BOARD, BoardName, Model, NetworkOption, RamBudget


def plan(
    model: Model, board: BoardName = DEFAULT_BOARD, ram_budget: RamBudget = None, network: NetworkOption = None
) -> None:
    """Show a network's layers, schedule, buffers and RAM on a board, and what other schedules would cost."""
    from hil import board as boards
    from hil.firmware.planned import plan_of
    from hil.report.terminal import plan_tables

    chosen = boards.load(board)
    console.print(plan_tables(plan_of(model, chosen, ram_budget), chosen))
