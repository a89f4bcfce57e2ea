"""`hil bench`: layers beside plain C and goals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hil.commands import outputs
from hil.commands.console import console, errors, progress
from hil.commands.options import NetworkOption, RamBudget, Toolchain
from hil.paths import BUILD

if TYPE_CHECKING:
    from rich.table import Table

    from hil.measure.benchmark import Benchmark


def bench(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL", help="A model's name or checkpoint.", show_default="--network, or rnnpool_face_m4"
        ),
    ] = None,
    board: Annotated[
        str, typer.Option("--board", "-b", help="A board's name, or its folder's path.")
    ] = "stm32f407_disco",
    image: Annotated[Path | None, typer.Option(metavar="FILE", help="A photo [default: the demo's].")] = None,
    ram_budget: RamBudget = None,
    toolchain: Toolchain = None,
    out: Annotated[
        Path,
        typer.Option(
            "--json", metavar="FILE", help="Write the figures here.", show_default="build/bench", callback=outputs.file
        ),
    ] = BUILD / "bench" / "bench.json",
    network: NetworkOption = None,
) -> None:
    """Count each layer's cycles, instructions, RAM and flash, beside a plain C build; exit code 1 if a goal is missed.

    The schedule is the fastest within --ram-budget; by default, within the board's goal for RAM.
    """
    import json

    from hil import board as boards
    from hil.bench.batch import demo_photo
    from hil.files import write_text
    from hil.firmware.build import KERNELS, build
    from hil.firmware.model import model_spec
    from hil.measure.benchmark import benchmark, ram_goal
    from hil.reference.photo import load_photo

    model = measured(model, network)
    path = image or demo_photo(BUILD / "bench" / "image.png", model)
    spec = model_spec(model)
    photo = load_photo(path, spec, True)
    ram_budget = ram_budget or ram_goal(boards.load(board), spec.name)
    errors.print(f"building {model} for {board} twice, running it three times ...", highlight=False)
    firmwares = [
        build(model, board, kernels=kernels, ram_budget=ram_budget, toolchain=toolchain) for kernels in KERNELS
    ]
    found = benchmark(firmwares[0], firmwares[1], photo)
    write_text(out, json.dumps(found.to_json(), indent=1) + "\n")
    console.print(_layers(found))
    if found.goals:
        console.print(_goals(found))
    else:
        console.print(
            f"no goals for {found.model} by {found.compiler or 'an unknown compiler'} on {found.board}", highlight=False
        )
    console.print(f"figures: {out}", highlight=False, soft_wrap=True)
    if not all(goal.is_met for goal in found.goals):
        raise typer.Exit(1)


def measured(model: str | None, network: str | None) -> str:
    """What is to be measured: the model, else the network with shipped or seeded weights, else the demo's model."""
    from hil.measure.networks import checkpoint
    from hil.reference.catalogue import SPECS

    if model is None and network in SPECS:
        with progress() as step:
            return checkpoint(network, None, step)
    return model or network or "rnnpool_face_m4"


def _layers(found: Benchmark) -> Table:
    from rich.table import Table

    from hil.report.terminal import figure

    table = Table("layer", "kind", title=f"{found.model} on {found.board}, timing model, full", title_justify="left")
    for name in ("MMAC", "Mcycles", "a MAC", "pred.", "Minstr.", "plain C", "RAM", "flash"):
        table.add_column(name, justify="right")
    for layer in found.layers:
        per_mac = f"{layer.cycles / layer.macs:.2f}" if layer.macs else "-"
        table.add_row(
            layer.name, layer.op if layer.kernel == "fast" else f"{layer.op} *", _millions(layer.macs),
            _millions(layer.cycles), per_mac, f"{100 * layer.deviation:+.0f} %", _millions(layer.instructions),
            f"{layer.portable_cycles / max(layer.cycles, 1):.1f} x", figure(layer.ram_bytes), figure(layer.flash_bytes),
        )  # fmt: skip
    table.add_section()
    ratio = f"{found.portable_total_cycles / max(found.total_cycles, 1):.1f} x"
    macs = sum(layer.macs for layer in found.layers)
    table.add_row(
        "in all", "", _millions(macs), _millions(found.total_cycles), f"{found.total_cycles / max(macs, 1):.2f}", "",
        _millions(found.total_instructions), ratio, figure(found.ram_bytes), figure(found.flash_bytes),
    )  # fmt: skip
    table.caption = (
        "*: no fast loop for the shape; pred.: prediction against measurement; plain C: times as many cycles; "
        "in all: with scheduling, decoding, stack and link (RAM of layers overlaps in time)"
    )
    return table


def _millions(count: int) -> str:
    return f"{count / 1e6:.2f}"


def _goals(found: Benchmark) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("goal", title="Goals", title_justify="left")
    for name in ("value", "unit", "must", "aim", "verdict"):
        table.add_column(name, justify="left" if name in ("unit", "verdict") else "right")
    for goal in found.goals:
        number = "{:,.0f}" if goal.must >= 1000 else "{:.2f}"
        verdict = "aim reached" if goal.value <= goal.aim else "met" if goal.is_met else "missed"
        style = {"aim reached": "bold green", "met": "green", "missed": "bold red"}[verdict]
        figures = (number.format(x).replace(",", " ") for x in (goal.must, goal.aim))
        value = number.format(goal.value).replace(",", " ")
        table.add_row(goal.name, value, goal.unit, *figures, Text(verdict, style=style))
    return table
