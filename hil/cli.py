"""The command `hil`. Every command says in one line what is wrong with its input and leaves with code 2.

Exit codes: 0 all is well, 1 a run or a check failed, 2 bad input or a missing tool.
"""

from __future__ import annotations

import sys

import typer

from hil.commands import (
    bench,
    boards,
    build,
    calibrate,
    cycles,
    demo,
    doctor,
    edgeml,
    evaluate,
    flash,
    models,
    plan,
    profile,
    quantise,
    replay,
    run,
    seed,
    serve,
    train,
)
from hil.commands.console import errors
from hil.errors import HilError

app = typer.Typer(
    help="Tests RNNPool networks as firmware on an emulated or a real STM32F4: same numbers, cycles, memory.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
imports = typer.Typer(help="Make a checkpoint that can be built of somebody else's.", no_args_is_help=True)

for command in (
    demo.demo, build.build, run.run, replay.replay, plan.plan, models.models, seed.seed, quantise.quantise, train.train,
    evaluate.evaluate, doctor.doctor, serve.serve, boards.boards, flash.flash, cycles.cycles, profile.profile,
    calibrate.calibrate, bench.bench,
):  # fmt: skip
    app.command()(command)
imports.command()(edgeml.edgeml)
app.add_typer(imports, name="import")


def main() -> None:
    """Entry point of the command `hil`."""
    try:
        app(prog_name="hil")
    except HilError as error:
        from rich.markup import escape

        from hil.targets.base import TargetFault

        errors.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(1 if isinstance(error, TargetFault) else 2)
    except KeyboardInterrupt:
        errors.print("interrupted")
        sys.exit(130)
