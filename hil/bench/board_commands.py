"""The commands `hil serve`, `hil boards` and `hil flash`, for hil.cli to register."""

from __future__ import annotations

import contextlib
import logging
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from hil.errors import HilError

_console = Console()
_BoardName = Annotated[str, typer.Option("--board", "-b", help="A folder of platforms/.")]
_Model = Annotated[str, typer.Argument(metavar="MODEL", help="A shipped model's name, or the path of a checkpoint.")]
_Elf = Annotated[Path | None, typer.Option(metavar="FILE", help="This firmware instead of the model's.")]
At = Annotated[
    str | None,
    typer.Option(
        metavar="PORT[,KEY=VALUE...]",
        envvar="HIL_AT",
        help="For --target serial: the port; as needed serial, chip, baud, probe, flash, reset, wait.",
    ),
]
_DEFAULT_BOARD, _DEFAULT_MODEL = "stm32f407_disco", "rnnpool_face_m4"


def serve(
    model: _Model = _DEFAULT_MODEL,
    pty: Annotated[Path | None, typer.Option(metavar="PATH", help="Make this path a link to the port.")] = None,
    target: Annotated[str, typer.Option("--target", "-t", help="A target with time of its own: sim, renode.")] = "sim",
    board: _BoardName = _DEFAULT_BOARD,
    elf: _Elf = None,
    baud: Annotated[int | None, typer.Option(min=300, help="Speed that the firmware is built for.")] = None,
    drop: Annotated[float, typer.Option(min=0, max=1, help="Share of bytes that get lost, both ways.")] = 0.0,
    damage: Annotated[float, typer.Option(min=0, max=1, help="Share of bytes that arrive changed, both ways.")] = 0.0,
    late: Annotated[float, typer.Option(min=0, help="Seconds until the board has power.")] = 0.0,
    garbage: Annotated[int, typer.Option(min=0, help="Bytes of noise that the board sends whenever it starts.")] = 0,
    seed: Annotated[int, typer.Option(help="Of what is lost and changed.")] = 0,
    record: Annotated[Path | None, typer.Option(metavar="FILE", help="Write down what passes.")] = None,
) -> None:
    """Run a simulated board behind a serial port, for this bench or any other program, until it is interrupted."""
    from hil import board as boards
    from hil import targets
    from hil.targets.noise import Noise
    from hil.targets.pseudo_terminal import PseudoTerminal
    from hil.targets.recording import Recorder
    from hil.targets.serve import Mischief, Server

    chosen = boards.load(board)
    chosen = replace(chosen, uart=replace(chosen.uart, baud=baud or chosen.uart.baud))
    firmware = elf if elf is not None else _built(model, board)
    mischief = Mischief(Noise(damaged=damage, dropped=drop), late, garbage, seed)
    served = targets.create(target, chosen)
    with (
        _errors_only("hil.targets.sim"),  # a line with mischief is one with losses
        Recorder(served, record) if record is not None else served as device,
        PseudoTerminal(pty, chosen.uart.baud) as port,
    ):
        server = Server(device, port, mischief)
        for number in (signal.SIGTERM, signal.SIGINT):  # so that the link and the recording are left in order
            signal.signal(number, lambda *_: server.stop())
        where = f"{port.path or port.device}, {chosen.uart.baud} baud"
        _console.print(f"{chosen.title} ({target}) at {where}", soft_wrap=True, highlight=False)
        server.run(firmware)


@contextlib.contextmanager
def _errors_only(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def boards(
    board: _BoardName = _DEFAULT_BOARD,
    at: At = None,
    ask: Annotated[bool, typer.Option("--ask", help="Say hello at each port, or the one of --at.")] = False,
) -> None:
    """List serial ports and debug probes, with the serial numbers that tell boards apart, and who uses them."""
    from hil import board as all_boards
    from hil.targets import ports
    from hil.targets.connection import Connection
    from hil.targets.lock import BoardLock

    chosen, here = all_boards.load(board), ports.ports()
    connection = Connection.parse(at or "")
    devices = [connection.port] if connection.port else [port.device for port in here]
    table = Table("port", "USB", "serial number", "what", "in use by", box=box.SIMPLE_HEAD, title="Serial ports")
    for device in devices:
        port = ports.port_at(device, here)
        lock = BoardLock(ports.identity(device))
        about = (port.usb or "", port.serial_number or "", port.description) if port else ("", "", "")
        table.add_row(device, *about, "" if lock.is_free() else lock.holder())
    _console.print(table if devices else "no serial port here has a USB device behind it")
    for probe in ports.probes(chosen):
        _console.print(f"probe {probe.usb}, serial number {probe.serial_number}: {probe.description} ({chosen.title})")
    for device in devices if ask else []:
        _console.print(f"{device}: {_answer(device, board, at or '')}", soft_wrap=True)


def flash(
    model: _Model = _DEFAULT_MODEL,
    board: _BoardName = _DEFAULT_BOARD,
    elf: _Elf = None,
    with_: Annotated[str | None, typer.Option("--with", metavar="TOOL", help="openocd, pyocd or st-flash.")] = None,
    probe: Annotated[str | None, typer.Option(metavar="NUMBER", help="Serial number of the debug probe.")] = None,
) -> None:
    """Build a model's firmware and write it to the board at a debug probe."""
    from hil import board as all_boards
    from hil.bench.elf import check_elf
    from hil.targets import flashing, ports

    chosen = all_boards.load(board)
    tool = flashing.choose_tool(chosen, with_)
    number = ports.find_probe(chosen, probe, "")
    firmware = elf if elf is not None else _built(model, board)
    check_elf(firmware, chosen)
    _console.print(flashing.flash(tool, chosen, firmware, number), soft_wrap=True, highlight=False)


def _built(model: str, board: str) -> Path:
    from hil.bench.build import build

    return build(model, board).elf


def _answer(device: str, board: str, at: str) -> str:
    """Who answers at a port, in words."""
    from hil import board as all_boards
    from hil.link import Client
    from hil.targets.connection import Connection
    from hil.targets.serial import SerialTarget

    connection = Connection(device, baud=Connection.parse(at).baud, wait_s=0)
    with contextlib.closing(SerialTarget(all_boards.load(board), connection)) as target:
        try:
            target.open()
            hello = Client(target, retries=5).hello()
        except HilError as error:
            return str(error)
    return f"{hello.board}, chip {hello.unique_id}, {hello.model_name}, build {hello.build_id}"
