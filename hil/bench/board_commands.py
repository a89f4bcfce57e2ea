"""The commands `hil serve`, `hil boards` and `hil flash`, for hil.cli to register."""

from __future__ import annotations

import contextlib
import logging
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from hil.errors import HilError

if TYPE_CHECKING:  # each takes time to import, which --help need not wait for
    from hil.board import Board
    from hil.targets.connection import Connection
    from hil.targets.ports import Probe

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
NO_PORTS = (
    "no serial port here has a USB device behind it: plug the board in (docs/boards.md: which cable goes where), "
    "or have a simulated one with hil serve --pty PATH"
)
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
        name = f"{chosen.title} ({target}) at {where}"
        server.run(firmware, lambda: _console.print(name, soft_wrap=True, highlight=False))


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
    board: Annotated[str | None, typer.Option("--board", "-b", help="Look for its probes alone.")] = None,
    at: At = None,
    ask: Annotated[bool, typer.Option("--ask", help="Say hello at each port, or the one of --at.")] = False,
) -> None:
    """List serial ports and debug probes, with the serial numbers that tell boards apart, and who uses them."""
    from hil import board as all_boards
    from hil.targets import ports
    from hil.targets.connection import Connection

    known = [all_boards.load(name) for name in ([board] if board else all_boards.names())]
    connection = Connection.parse(at or "")
    is_one = connection.port is not None or connection.serial is not None
    devices = [port.device for port in ports.ports()]
    if is_one:
        devices = [ports.find_port(known[0], connection.port, connection.serial)]
    _console.print(_ports_table(devices) if devices else NO_PORTS, soft_wrap=not devices)
    for probe, titles in _probes(known).items():
        number = probe.serial_number or "none"
        _console.print(f"probe {probe.usb}, serial number {number}: {probe.description} ({titles})", soft_wrap=True)
    for device in devices if ask else []:
        try:
            _console.print(f"{device}: {_answer(device, known[0], connection)}", soft_wrap=True)
        except HilError as error:
            if is_one:
                raise
            _console.print(f"{device}: {error}", soft_wrap=True)


def _ports_table(devices: list[str]) -> Table:
    from hil.targets import ports
    from hil.targets.lock import BoardLock

    here = ports.ports()
    table = Table("port", "USB", "serial number", "what", "in use by", box=box.SIMPLE_HEAD, title="Serial ports")
    for device in devices:
        port = ports.port_at(device, here)
        lock = BoardLock(ports.identity(device))
        about = (port.usb or "", port.serial_number or "", port.description) if port else ("", "", "")
        table.add_row(device, *about, "" if lock.is_free() else lock.holder())
    return table


def _probes(known: list[Board]) -> dict[Probe, str]:
    """The probes that are plugged in, and which boards have such a one."""
    from hil.targets import ports

    found: dict[Probe, str] = {}
    for board in known:
        for probe in ports.probes(board):
            found[probe] = f"{found[probe]} or {board.title}" if probe in found else board.title
    return found


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


def _answer(device: str, board: Board, connection: Connection) -> str:
    """Who answers at a port, in words. Raises HilError where nobody does."""
    from hil.link import Client
    from hil.targets.serial import SerialTarget

    with contextlib.closing(SerialTarget(board, replace(connection, port=device, serial=None, wait_s=0))) as target:
        target.open()
        hello = Client(target, retries=5).hello()
    return f"{hello.board}, chip {hello.unique_id}, {hello.model_name}, build {hello.build_id}"
