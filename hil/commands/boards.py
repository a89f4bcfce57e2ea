"""`hil boards`: serial ports and debug probes, and who uses them."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from hil.commands.console import console
from hil.commands.options import At
from hil.errors import HilError

if TYPE_CHECKING:  # each takes time to import, which --help need not wait for
    from rich.table import Table

    from hil.board import Board
    from hil.targets.connection import Connection
    from hil.targets.ports import Probe

NO_PORTS = (
    "no serial port here has a USB device behind it: plug the board in (docs/boards.md: which cable goes where), "
    "or have a simulated one with hil serve --pty PATH"
)


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
    console.print(_ports_table(devices) if devices else NO_PORTS, soft_wrap=not devices)
    for probe, titles in _probes(known).items():
        number = probe.serial_number or "none"
        console.print(f"probe {probe.usb}, serial number {number}: {probe.description} ({titles})", soft_wrap=True)
    for device in devices if ask else []:
        try:
            console.print(f"{device}: {_answer(device, known[0], connection)}", soft_wrap=True)
        except HilError as error:
            if is_one:
                raise
            console.print(f"{device}: {error}", soft_wrap=True)


def _ports_table(devices: list[str]) -> Table:
    from rich import box
    from rich.table import Table

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


def _answer(device: str, board: Board, connection: Connection) -> str:
    """Who answers at a port, in words. Raises HilError where nobody does."""
    from hil.link import Client
    from hil.targets.serial import SerialTarget

    with contextlib.closing(SerialTarget(board, replace(connection, port=device, serial=None, wait_s=0))) as target:
        target.open()
        hello = Client(target, retries=5).hello()
    return f"{hello.board}, chip {hello.unique_id}, {hello.model_name}, build {hello.build_id}"
