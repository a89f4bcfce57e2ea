"""How a real board is reached: one text for the command line, pytest and Robot alike.

--at /dev/ttyUSB0
--at serial=066EFF485550755187121723
--at usb=1-2.3
--at socket://lab:4000,flash=none
--at /dev/ttyUSB0,probe=066EFF485550755187121723,flash=openocd,reset=probe

Names and labels are looked up in the lab's inventory (hil.targets.inventory).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from hil.errors import HilError
from hil.targets.tools import TOOLS

Mode = Literal["fast", "full"]  # of the timing model, whose own module takes a second to import
Reset = Literal["link", "probe", "dtr", "power", "none"]
NEVER = "none"
CHIP_DIGITS = 24


@dataclass(frozen=True)
class Connection:
    """What is given of a board's surroundings; the rest is found, or an error where it cannot be told for certain.

    port: a device or any pyserial URL. usb: the USB path at which the port's adapter is plugged in. serial: serial
    number of the USB device behind the port. chip: the 24 hex digits of the chip's own number. baud: of the port; the
    board's own without. probe: serial number of the debug probe. flash: the tool to flash with, "none" never to flash.
    reset: how a board that need not be flashed is reset: "link" asks the firmware, and uses the probe where the
    firmware is silent. wait_s: for a board that another run has. slower: times that its clock is slower than ours, as a
    simulated board's behind a port is: so much longer an answer is waited for.

    From an inventory: name; kind, the board that it must be; power, the commands that switch it off and on. place: a
    labgrid place that has the board. any_of: several boards, of which the first that is free is meant.
    """

    port: str | None = None
    usb: str | None = None
    serial: str | None = None
    chip: str | None = None
    baud: int | None = None
    probe: str | None = None
    flash: str | None = None
    reset: Reset = "link"
    wait_s: float = 1800.0
    slower: float = 1.0
    name: str | None = None
    kind: str | None = None
    power: tuple[str, str] | None = None
    place: str | None = None
    any_of: tuple[Connection, ...] = ()

    @classmethod
    def parse(cls, text: str, known: Connection | None = None) -> Connection:
        """From "PORT,key=value,...", the port without its key where it comes first. Raises HilError, with the keys.

        known: what holds where the text says nothing.
        """
        given: dict[str, Any] = {}
        for item in filter(None, (part.strip() for part in text.split(","))):
            match = re.match(r"([A-Za-z_]+)=(.*)", item)
            key, value = match.groups() if match else ("port", item)
            if key not in _VALUES:
                raise HilError(f"--at {text}: nothing is called {key!r}: choose of {', '.join(_VALUES)}")
            name = "wait_s" if key == "wait" else key
            if name in given:
                raise HilError(f"--at {text}: {key} is given twice")
            given[name] = _VALUES[key](key, value)
        return replace(known or cls(), **given)


def _text(key: str, value: str) -> str:
    if not value:
        raise HilError(f"--at: {key} is empty")
    return value


def _baud(key: str, value: str) -> int:
    if not value.isdecimal() or not 300 <= int(value) <= 12_000_000:
        raise HilError(f"--at: {key} is {value!r}, expected bits a second such as 921600")
    return int(value)


def _seconds(key: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise HilError(f"--at: {key} is {value!r}, expected seconds such as 60")
    return seconds


def _times(key: str, value: str) -> float:
    try:
        times = float(value)
    except ValueError:
        times = 0.0
    if not 1 <= times <= 1000:
        raise HilError(f"--at: {key} is {value!r}, expected 1 to 1000 times")
    return times


def _usb(key: str, value: str) -> str:
    if not re.fullmatch(r"\d+-\d+(\.\d+)*(:\d+\.\d+)?", value):
        raise HilError(f"--at: {key} is {value!r}, expected a USB path such as 1-2.3, as hil boards shows it")
    return value


def _chip(key: str, value: str) -> str:
    if not re.fullmatch(rf"[0-9a-f]{{{CHIP_DIGITS}}}", value.lower()):
        raise HilError(f"--at: {key} is {value!r}, expected {CHIP_DIGITS} hex digits, as hil boards --ask shows them")
    return value.lower()


def _reset(key: str, value: str) -> str:
    if value not in get_args(Reset):
        raise HilError(f"--at: {key} is {value!r}, choose one of {', '.join(get_args(Reset))}")
    return value


def _flash(key: str, value: str) -> str:
    if value not in (*TOOLS, NEVER):
        raise HilError(f"--at: {key} is {value!r}, choose one of {', '.join((*TOOLS, NEVER))}")
    return value


def _timing(target: str, mode: str) -> str:
    if mode not in get_args(Mode):
        raise HilError(f"--timing {mode}: the timing model has no such mode: choose one of fast, full")
    if target != "sim":
        raise HilError(f"--timing {mode} is for --target sim: target {target} does not count by the timing model")
    return mode


_VALUES = {
    "port": _text, "usb": _usb, "serial": _text, "chip": _chip, "baud": _baud, "probe": _text, "flash": _flash,
    "reset": _reset, "wait": _seconds, "slower": _times,
}  # fmt: skip


def options(target: str, at: str | None, timing: str | None = None) -> dict[str, Any]:
    """What to create a target with: a board's connection, the simulated board's timing mode ("fast" without).

    Raises HilError where one is given to a target that has none.
    """
    if timing is not None:
        return {"timing": _timing(target, timing)} | options(target, at)
    if target == "serial":
        from hil.targets import inventory  # which knows this module

        return {"connection": inventory.connection(at or "")}
    if at:
        raise HilError(f"--at {at} is for --target serial: target {target} is no board to connect to")
    return {}
