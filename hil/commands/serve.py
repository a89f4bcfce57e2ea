"""`hil serve`: a simulated board behind a serial port."""

from __future__ import annotations

import contextlib
import logging
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from hil.commands.console import console
from hil.commands.options import (
    DEFAULT_BOARD,
    DEFAULT_MODEL,
    BoardName,
    Elf,
    ModelOrDefault,
    NetworkOption,
    RecordFile,
    Toolchain,
)
from hil.errors import HilError


def serve(
    model: ModelOrDefault = DEFAULT_MODEL,
    pty: Annotated[Path | None, typer.Option(metavar="PATH", help="Make this path a link to the port.")] = None,
    target: Annotated[str, typer.Option("--target", "-t", help="A target with time of its own: sim, renode.")] = "sim",
    board: BoardName = DEFAULT_BOARD,
    elf: Elf = None,
    toolchain: Toolchain = None,
    baud: Annotated[int | None, typer.Option(min=300, help="Speed that the firmware is built for.")] = None,
    drop: Annotated[float, typer.Option(min=0, max=1, help="Share of bytes lost in each direction, 0 to 1.")] = 0.0,
    damage: Annotated[
        float, typer.Option(min=0, max=1, help="Share of bytes changed in each direction, 0 to 1.")
    ] = 0.0,
    late: Annotated[float, typer.Option(min=0, help="Seconds until the board has power.")] = 0.0,
    garbage: Annotated[int, typer.Option(min=0, help="Bytes of noise that the board sends whenever it starts.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the lost and changed bytes.")] = 0,
    record: RecordFile = None,
    network: NetworkOption = None,
) -> None:
    """Run a simulated board behind a serial port, for this bench or any other program, until it is interrupted."""
    from hil import board as boards
    from hil import targets
    from hil.firmware.build import build
    from hil.targets.noise import Noise
    from hil.targets.recording import Recorder
    from hil.targets.serve import Mischief, Server

    try:
        from hil.targets.pseudo_terminal import PseudoTerminal
    except ImportError:
        raise HilError("hil serve needs pseudo-terminals, which this system lacks: run it on Linux or macOS") from None
    chosen = boards.load(board)
    chosen = replace(chosen, uart=replace(chosen.uart, baud=baud or chosen.uart.baud))
    firmware = elf if elf is not None else build(model, board, toolchain=toolchain).elf
    mischief = Mischief(Noise(damaged=damage, dropped=drop), late, garbage, seed)
    served = targets.create(target, chosen)
    with (
        _errors_only("hil.targets.sim"),  # a line with mischief is one with losses
        Recorder(served, record) if record is not None else served as device,
        PseudoTerminal(pty, chosen.uart.baud) as port,
    ):
        server = Server(device, port, mischief)
        for number in (
            signal.SIGTERM,
            signal.SIGINT,
            signal.SIGHUP,
        ):  # so that the link and the recording are left in order
            signal.signal(number, lambda *_: server.stop())
        where = f"{port.path or port.device}, {chosen.uart.baud} baud"
        name = f"{chosen.title} ({target}) at {where}"
        server.run(firmware, lambda: console.print(name, soft_wrap=True, highlight=False))


@contextlib.contextmanager
def _errors_only(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
