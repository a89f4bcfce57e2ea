"""`hil calibrate`: a board's counter against the timing model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hil.commands import outputs
from hil.commands.console import console, errors
from hil.commands.options import At, Toolchain

if TYPE_CHECKING:
    from rich.table import Table

    from hil.measure.calibrate import Comparison


def calibrate(
    target: Annotated[str, typer.Option("--target", "-t", help="serial (a board), or sim.")] = "serial",
    board: Annotated[
        str, typer.Option("--board", "-b", help="A board's name, or its folder's path.")
    ] = "stm32f407_disco",
    at: At = None,
    toolchain: Toolchain = None,
    store: Annotated[bool, typer.Option("--store", help="Write the board's figures into its board.toml.")] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the table here.", callback=outputs.file)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Also show the measurements that agree.")] = False,
) -> None:
    """Measure a board's cycles where no published figure exists, and show them beside the model's, rule by rule."""
    import json

    from hil import board as boards
    from hil.bench.batch import check_target
    from hil.files import write_text
    from hil.measure.calibrate import calibrate, figures_of, store_figures
    from hil.targets.connection import options

    chosen = boards.load(board)
    check_target(target)
    connection = options(target, at, "full" if target == "sim" else None)
    errors.print(f"building the calibration firmware for {board} ...", highlight=False)
    compared = calibrate(chosen, target, connection, toolchain)
    figures = figures_of(chosen, compared)
    if json_file is not None:
        rows = [asdict(one.measured) | {"modelled": one.modelled} for one in compared]
        write_text(json_file, json.dumps({"board": board, "target": target, "measurements": rows}, indent=1) + "\n")
    differing = [one for one in compared if one.difference]
    if every or differing:
        console.print(_table(compared if every else differing, f"{chosen.title}, target {target}"))
    rules = {rule for one in compared for rule in one.measured.rules}
    wrong = {rule for one in differing for rule in one.measured.rules}
    console.print(
        f"{len(compared) - len(differing)} of {len(compared)} measurements are as modelled, "
        f"{len(rules - wrong)} of {len(rules)} rules without a difference"
    )
    changed = figures.changed()
    console.print("figures: " + (", ".join(f"{k} = {v}" for k, v in changed.items()) or "all as documented"))
    if store:
        console.print(f"stored in {store_figures(chosen, figures)}")


def _table(compared: list[Comparison], title: str) -> Table:
    """Rule by rule, at 0 wait states first."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in ("rule", "measurement"):
        table.add_column(name, overflow="fold")
    for name in ("WS", "times", "measured", "modelled", "each"):
        table.add_column(name, justify="right")
    for one in sorted(compared, key=lambda one: (one.measured.rules[0], one.measured.name, one.measured.wait_states)):
        found = one.measured
        counts = (str(n) for n in (found.wait_states, found.repetitions, found.cycles, one.modelled))
        table.add_row(", ".join(found.rules), found.name, *counts, f"{one.difference:+.2f}" if one.difference else "0")
    return table
