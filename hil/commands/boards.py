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
    board: Annotated[str | None, typer.Option("--board", "-b", help="Show only this board's probes.")] = None,
    at: At = None,
    ask: Annotated[bool, typer.Option("--ask", help="Send HELLO to each port, or to that of --at.")] = False,
) -> None:
    """List serial ports and debug probes, with the serial numbers that tell boards apart, and who uses them."""
    from hil import board as all_boards
    from hil.targets import inventory, ports

    connection = inventory.connection(at or "")
    kind = board or connection.kind
    known = [all_boards.load(name) for name in ([kind] if kind else all_boards.names())]
    is_one = any((connection.port, connection.usb, connection.serial))
    devices = [port.device for port in ports.ports()]
    if is_one:
        devices = [ports.find_port(known[0], connection.port, connection.serial, connection.usb)]
    _show_inventory()
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


def _show_inventory() -> None:
    """The lab's boards by name: what each is, where, and who has it."""
    from hil.targets import inventory

    for entry in inventory.entries():
        at = entry.connection
        where = f"labgrid place {at.place}" if at.place else _where(at)
        labels = f" [{', '.join(entry.labels)}]" if entry.labels else ""
        console.print(f"{at.name}: {at.kind}{labels}, {where}", soft_wrap=True, highlight=False, markup=False)


def _where(at: Connection) -> str:
    """The port of a board of the inventory, and who uses it; or that it is not plugged in."""
    from hil import board as all_boards
    from hil.targets import ports
    from hil.targets.base import TargetError
    from hil.targets.lock import BoardLock

    try:
        url = ports.find_port(all_boards.load(str(at.kind)), at.port, at.serial, at.usb)
    except TargetError as error:
        return str(error).partition(":")[0]
    lock = BoardLock(ports.identity(url))
    return url if lock.is_free() else f"{url}, in use by {lock.holder()}"


def _ports_table(devices: list[str]) -> Table:
    from rich import box
    from rich.table import Table

    from hil.targets import ports
    from hil.targets.lock import BoardLock

    here = ports.ports()
    table = Table(
        "port", "USB", "path", "serial number", "what", "in use by", box=box.SIMPLE_HEAD, title="Serial ports"
    )
    for device in devices:
        port = ports.port_at(device, here)
        lock = BoardLock(ports.identity(device))
        about = ("", "", "", "")
        if port:
            about = (port.usb or "", port.location or "", port.serial_number or "", port.description)
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
    """The board that answers at a port, in words. Raises HilError if none does."""
    from hil.link import Client
    from hil.targets.serial import SerialTarget

    with contextlib.closing(
        SerialTarget(board, replace(connection, port=device, serial=None, usb=None, kind=None, wait_s=0))
    ) as target:
        target.open()
        hello = Client(target, retries=5).hello()
    return f"{hello.board}, chip {hello.unique_id}, {hello.model_name}, build {hello.build_id}"
