"""`hil cycles`: a function of any Thumb ELF, timed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from hil.commands.console import console
from hil.errors import HilError
from hil.shown import shown

if TYPE_CHECKING:
    from hil.timing.compiled.engine import Mode

_DEFAULT_TIMEOUT_CYCLES = 1_000_000_000


def _address(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise HilError(f"--sp {text} is no address: give a number such as 0x20020000") from None


def cycles(
    elf: Annotated[Path, typer.Argument(metavar="ELF", help="A program linked for the chip.", show_default=False)],
    call: Annotated[
        str | None,
        typer.Option("--call", metavar="SYMBOL", help="The function to call; default: run the whole program."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="SYMBOL", help="Of a whole program: start counting here.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="SYMBOL", help="Of a whole program: stop here [default: where it exits].")
    ] = None,
    arg: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N", help="An argument: 3, 1.5, a symbol, SYMBOL+16 or @DATA. Repeat for r0, r1, ..., the stack."
        ),
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option(metavar="NAME=FILE|ZEROS:N", help="Put data into SRAM [or at NAME@ADDRESS=].")
    ] = None,
    init: Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL", help="Call this first, after the constructors, untimed.")
    ] = None,
    constructors: Annotated[bool, typer.Option(help="Run the ELF's .init_array first (C++ static objects).")] = True,
    sp: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Top of the stack [default: end of SRAM].")] = None,
    wait_states: Annotated[
        int | None, typer.Option(metavar="N", help="Flash wait states [default: the board's at full clock].")
    ] = None,
    flash: Annotated[
        str, typer.Option(metavar="NAME", help="Flash accelerator: stm32f4, stm32l4, prefetch, none.")
    ] = "stm32f4",
    repeat: Annotated[int, typer.Option(metavar="N", help="Calls; caches stay warm between them.")] = 1,
    mode: Annotated[str, typer.Option(help="full: exact; fast: static cost a block.")] = "full",
    disable: Annotated[
        list[str] | None, typer.Option(metavar="RULE", help="Disable a rule of docs/timing.md, or all; repeatable.")
    ] = None,
    timeout_cycles: Annotated[
        int, typer.Option(metavar="N", help="Give up after this many cycles.")
    ] = _DEFAULT_TIMEOUT_CYCLES,
    board: Annotated[
        str, typer.Option("--board", "-b", help="A board's name, or its folder's path.")
    ] = "stm32f407_disco",
    annotate: Annotated[
        int, typer.Option(metavar="N", help="Show the N hottest blocks, with the rule behind every stall.", min=0)
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Time a function of any Thumb ELF on the modelled Cortex-M4, or a whole program on the simulated board."""
    import json

    from rich.table import Table

    from hil.timing.cycles.arguments import parse_argument, parse_data
    from hil.timing.cycles.call import time_function

    if call is None:
        if (
            any((arg, data, init, sp, annotate, disable))
            or repeat != 1
            or wait_states is not None
            or flash != "stm32f4"
        ):
            raise HilError("a whole program takes --from, --until, --mode, --timeout-cycles, --board: or give --call")
        _run_whole(elf, since, until, board, mode, timeout_cycles, as_json)
        return
    if since or until:
        raise HilError("--from and --until are of a whole program, without --call")
    timing = time_function(
        elf,
        call,
        [parse_argument(text) for text in arg or ()],
        data=[parse_data(text) for text in data or ()],
        init=init or (),
        constructors=constructors,
        board=board,
        stack=None if sp is None else _address(sp),
        wait_states=wait_states,
        flash=flash,
        repeat=repeat,
        mode=cast("Mode", mode),  # time_function checks it
        disabled=disable or (),
        timeout_cycles=timeout_cycles,
        annotated=annotate,
    )
    if as_json:
        print(json.dumps(timing.as_json()))
        return
    table = Table("call", "cycles", "instructions", "cycles / instruction", title=f"{call}: modelled cycles ({mode})")
    for number, one in enumerate(timing.calls, 1):
        table.add_row(
            str(number), f"{one.cycles:,}", f"{one.instructions:,}", f"{one.cycles / max(1, one.instructions):.3f}"
        )
    console.print(table)
    result = f"r0 = {timing.calls[-1].r0:#010x}"
    console.print(f"{result}, s0 = {timing.calls[-1].s0:g}" if timing.returns_floats else result)
    if timing.annotation:
        print(shown(timing.annotation, keep="\n\t"))


def _run_whole(
    elf: Path, since: str | None, until: str | None, board: str, mode: str, timeout_cycles: int, as_json: bool
) -> None:
    import json

    from hil.targets.sim.program import run_program

    if mode not in ("full", "fast"):
        raise HilError(f"there is no mode {mode!r}: choose one of full, fast")
    ran = run_program(
        elf, since=since, until=until, board=board, mode=cast("Mode", mode), timeout_cycles=timeout_cycles
    )
    if as_json:
        print(json.dumps(ran.as_json()))
        return
    text = shown(ran.output.decode(errors="replace"), keep="\n\t")
    print(text, end="" if text.endswith("\n") else "\n")
    ended = f"exit code {ran.exit_code}" if ran.exit_code is not None else f"at {until}"
    counts = f"{ran.cycles:,} modelled cycles ({mode}), {ran.instructions:,} instructions"
    console.print(f"{counts}, {ran.seconds * 1e3:.3f} ms: {ended}")
