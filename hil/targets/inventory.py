"""The boards of a lab, by name: hil-boards.toml, or the file that HIL_INVENTORY names.

    [boards.desk-407]
    kind = "stm32f407_disco"
    usb = "1-2.3"                      # where its adapter is plugged in; or serial = "...", or port = "..."
    probe = "066EFF485550755187121723"
    labels = ["desk", "fast"]

`--at desk-407` is that board, `--at label:desk` any free one of that label, `--at all` any free one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, get_args

from msgspec import Meta, Struct

from hil import board as all_boards
from hil.board.schema import Text, convert, toml
from hil.errors import HilError
from hil.targets.connection import NEVER, Connection, Reset
from hil.targets.flashing import TOOLS

VARIABLE, FILE = "HIL_INVENTORY", "hil-boards.toml"
ALL, LABEL, LABGRID = "all", "label:", "labgrid:"

Command = Annotated[str, Meta(min_length=1, max_length=500)]
Hex24 = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{24}$", description="24 hex digits, as hil boards --ask shows them")]


class BoardTable(Struct, forbid_unknown_fields=True, frozen=True):
    """[boards.NAME]: one board. kind: a folder of platforms/; of usb, serial, port and labgrid exactly one."""

    kind: Text
    usb: Annotated[str, Meta(pattern=r"^\d+-\d+(\.\d+)*(:\d+\.\d+)?$", description="such as 1-2.3")] | None = None
    serial: Text | None = None
    port: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    labgrid: Text | None = None
    chip: Hex24 | None = None
    baud: Annotated[int, Meta(ge=300, le=12_000_000)] | None = None
    probe: Text | None = None
    flash: Text | None = None
    reset: Text = "link"
    power_off: Command | None = None
    power_on: Command | None = None
    labels: tuple[Annotated[str, Meta(pattern=r"^[\w.-]{1,40}$")], ...] = ()


class InventoryTable(Struct, forbid_unknown_fields=True, frozen=True):
    """The file. Each board is read by itself, so that what is wrong with it is said with its name."""

    boards: dict[Annotated[str, Meta(pattern=r"^[A-Za-z][\w.-]{0,39}$")], dict[str, Any]] = {}


@dataclass(frozen=True)
class Entry:
    """One board of an inventory: how it is reached, and its labels."""

    connection: Connection
    labels: tuple[str, ...]


def path() -> Path | None:
    """The file of HIL_INVENTORY, else hil-boards.toml here or in a folder above; None where there is none."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given).expanduser()
    here = Path.cwd()
    return next((folder / FILE for folder in (here, *here.parents) if (folder / FILE).is_file()), None)


def entries() -> list[Entry]:
    """Every board of the inventory, in its order; none without one. Raises HilError, with file and board."""
    file = path()
    if file is None:
        return []
    found = []
    text, data = toml(file)
    for name, given in convert(data, InventoryTable, file, text).boards.items():
        table = convert(given, BoardTable, file, text, f"boards.{name}")
        try:
            found.append(Entry(_connection(name, table), table.labels))
        except HilError as error:
            raise HilError(f"{file}, board {name}: {error}") from error
    for one, other in combinations(found, 2):
        if shared := _shared(one.connection, other.connection):
            raise HilError(
                f"{file}: {one.connection.name} and {other.connection.name} are both at {shared}: "
                "a port or a probe belongs to one board"
            )
    return found


def _connection(name: str, table: BoardTable) -> Connection:
    places = [key for key in ("usb", "serial", "port", "labgrid") if getattr(table, key) is not None]
    if len(places) != 1:
        given = " and ".join(places) or "none is"
        raise HilError(f"of usb, serial, port and labgrid one says where it is; given: {given}")
    if name == ALL:
        raise HilError(f"{ALL!r} means every board: give it another name")
    if table.kind not in all_boards.names():
        raise HilError(f"kind {table.kind!r}: choose one of {', '.join(all_boards.names())}")
    if table.flash not in (None, NEVER, *TOOLS):
        raise HilError(f"flash {table.flash!r}: choose one of {', '.join((*TOOLS, NEVER))}")
    how = next((way for way in get_args(Reset) if way == table.reset), None)
    if how is None:
        raise HilError(f"reset {table.reset!r}: choose one of {', '.join(get_args(Reset))}")
    if (table.power_off is None) != (table.power_on is None):
        raise HilError("power_off and power_on belong together: give both")
    if how == "power" and table.power_off is None:
        raise HilError('reset = "power" needs power_off and power_on')
    power = (table.power_off, table.power_on) if table.power_off and table.power_on else None
    return Connection(
        port=table.port,
        usb=table.usb,
        serial=table.serial,
        chip=table.chip.lower() if table.chip else None,
        baud=table.baud,
        probe=table.probe,
        flash=table.flash,
        reset=how,
        name=name,
        kind=table.kind,
        power=power,
        place=table.labgrid,
    )


def _shared(one: Connection, other: Connection) -> str:
    """What two boards cannot both have; empty where there is nothing of the kind."""
    if one.usb and other.usb and _is_same_socket(one.usb, other.usb):
        return f"USB path {one.usb}"
    if one.port and other.port and _plain(one.port) == _plain(other.port):
        return f"port {one.port}"
    for key in ("serial", "place", "probe", "chip"):
        ours: str | None = getattr(one, key)
        if ours is not None and ours == getattr(other, key):
            return f"{key} {ours}"
    return ""


def _is_same_socket(one: str, other: str) -> bool:
    """A path without an interface is every interface of the device there."""
    (device, _, interface), (other_device, _, other_interface) = one.partition(":"), other.partition(":")
    return device == other_device and (not interface or not other_interface or interface == other_interface)


def _plain(port: str) -> str:
    """A port by one name: links, such as those in /dev/serial/by-id, followed."""
    return port if "://" in port else str(Path(port).resolve())


def connection(text: str) -> Connection:
    """What --at says, names and labels looked up: NAME, label:LABEL, all, labgrid:PLACE, PORT, each with ,KEY=VALUE.

    Keys that are given overrule the inventory's. Raises HilError for an unknown name or label, with the known ones.
    """
    first, _, more = text.partition(",")
    first = first.strip()
    if first.startswith(LABGRID):
        return replace(Connection.parse(more), place=_named(first, LABGRID))
    known = {entry.connection.name: entry for entry in entries()} if re.fullmatch(r"[\w.:-]+", first) else {}
    if first in known:
        return Connection.parse(more, known[first].connection)
    if first != ALL and not first.startswith(LABEL):
        return Connection.parse(text)
    if not known:
        raise HilError(
            f"--at {first} looks boards up in {FILE}, or the file of {VARIABLE}: none is there, or no board in it"
        )
    chosen = list(known.values())
    if first != ALL:
        label = _named(first, LABEL)
        chosen = [entry for entry in chosen if label in entry.labels]
        if not chosen:
            labels = sorted({label for entry in known.values() for label in entry.labels})
            raise HilError(f"no board of {path()} has the label {label!r}: there are {', '.join(labels) or 'none'}")
    return any_of(Connection.parse(more, entry.connection) for entry in chosen)


def any_of(choice: Iterable[Connection]) -> Connection:
    """A connection to whichever board is free first; the one itself where there is one alone."""
    found = tuple(choice)
    return found[0] if len(found) == 1 else Connection(any_of=found, wait_s=found[0].wait_s)


def kinds(at: Connection) -> list[str]:
    """The kinds of board that are meant, in the inventory's order; none where --at does not say."""
    return list(dict.fromkeys(one.kind for one in at.any_of or (at,) if one.kind is not None))


def _named(text: str, prefix: str) -> str:
    name = text.removeprefix(prefix)
    if not name:
        raise HilError(f"--at {text}: a name is missing after {prefix}")
    return name
