"""The command `hil`. Every command says in one line what is wrong.

Exit codes: 0 all is well, 1 a run or a check failed (a crash, a board that vanishes), 2 bad input or a missing tool,
130 interrupted.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hil.commands import (
    bench,
    boards,
    build,
    calibrate,
    compare,
    cycles,
    debug,
    demo,
    diff_emulators,
    edgeml,
    evaluate,
    flash,
    gate,
    history,
    init,
    late,
    models,
    new_board,
    new_network,
    onnx,
    plan,
    power,
    profile,
    quantise,
    renode,
    replay,
    run,
    seed,
    selftest,
    serve,
    show,
    torture,
    trace,
    train,
)
from hil.commands.console import console, errors
from hil.errors import HilError
from hil.files import reason
from hil.shown import ShownFormatter, shown


class PlainHelp(TyperGroup):
    """Lists the commands in plain text: rich's boxes take longer than all the rest of `hil --help`."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self.rich_markup_mode = None
        super().format_help(ctx, formatter)


app = typer.Typer(
    cls=PlainHelp,
    help="Tests RNNPool networks as firmware on an emulated or a real STM32F4: same numbers, cycles, memory.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
imports = typer.Typer(help="Make a checkpoint that can be built of somebody else's.", no_args_is_help=True)


def _say_version(is_wanted: bool) -> None:
    if is_wanted:
        from hil.version import described

        console.print(f"hil {described()}", highlight=False)
        raise typer.Exit


for command in (
    demo.demo, init.init, build.build, run.run, replay.replay, plan.plan, models.models, seed.seed, quantise.quantise,
    train.train, evaluate.evaluate, late.doctor, serve.serve, boards.boards, flash.flash, power.power, cycles.cycles,
    profile.profile, calibrate.calibrate, show.show, bench.bench, compare.compare, history.history, gate.gate,
    debug.debug, trace.trace, selftest.selftest, torture.torture,
    diff_emulators.diff_emulators,
    new_network.new_network,
):  # fmt: skip
    app.command()(command)
app.command("new-board")(new_board.new_board)
imports.command()(edgeml.edgeml)
imports.command()(onnx.onnx)
app.add_typer(imports, name="import")
app.add_typer(renode.app, name="renode")


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Say the version and the commit.", is_eager=True, callback=_say_version)
    ] = False,
) -> None:
    """What `hil` takes before a command."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise HilError("the folder that this was started in is gone: cd to one that is there") from None


def _complain(what: str) -> None:
    from rich.text import Text

    errors.print(Text.assemble(("error:", "bold red"), " ", shown(what)), soft_wrap=True, highlight=False)


def _make_printable() -> None:
    """What a stream's encoding lacks (LC_ALL=C) is printed as an escape; so is what does not print, in logs."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    handler = logging.StreamHandler()
    handler.setFormatter(ShownFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def main() -> None:
    """Entry point of the command `hil`."""
    _make_printable()
    if not sys.warnoptions:  # -W and PYTHONWARNINGS show them
        warnings.simplefilter("ignore")  # libraries warn programmers, not those who read this output
        sys.warnoptions.append("ignore")  # worker processes start with the same
    try:
        app(prog_name="hil")
    except HilError as error:
        _complain(str(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:  # whoever read the output has left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        _complain(named + reason(error))
        sys.exit(2)
    except RecursionError:
        _complain("what was given is nested too deeply: folders in folders, or values in values")
        sys.exit(2)
    except MemoryError:
        _complain("there is not enough memory for this: give less at a time, or smaller files")
        sys.exit(2)
    except KeyboardInterrupt:
        errors.print("interrupted")
        sys.exit(130)
