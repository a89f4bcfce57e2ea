"""What is plugged in: serial ports and debug probes, told apart by their USB serial numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports

from hil.board import Board
from hil.targets.base import TargetError

_SYSFS = Path("/sys/bus/usb/devices")


@dataclass(frozen=True)
class Port:
    """A serial port. usb: "vendor:product" in hex, and serial_number: of the USB device behind it; None without one."""

    device: str
    usb: str | None
    serial_number: str | None
    description: str


@dataclass(frozen=True)
class Probe:
    """A debug probe, whether or not it has a serial port as well."""

    usb: str
    serial_number: str
    description: str


def ports() -> list[Port]:
    """The serial ports of this computer that have a USB device behind them."""
    found = []
    for port in sorted(list_ports.comports()):
        if port.vid is not None:
            usb = f"{port.vid:04x}:{port.pid:04x}"
            found.append(Port(port.device, usb, port.serial_number or None, port.description or "n/a"))
    return found


def probes(board: Board, folder: Path = _SYSFS) -> list[Probe]:
    """The probes that may belong to a board, by USB vendor and product. Linux alone can tell; none elsewhere.

    A probe without a serial port (the F407's ST-Link/V2) is no serial port's neighbour, hence sysfs and not pyserial.
    """
    found = []
    for device in sorted(folder.glob("*/idVendor")):
        usb = f"{_text(device)}:{_text(device.with_name('idProduct'))}"
        if usb in board.probe.usb:
            found.append(Probe(usb, _text(device.with_name("serial")), _text(device.with_name("product"))))
    return found


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace").strip()
    except OSError:
        return ""


def find_port(board: Board, url: str | None, serial_number: str | None) -> str:
    """The port that is meant: the URL, or the one with the serial number, or the only one that can be the board's.

    Raises TargetError, with what is plugged in, where that is none, several, or has another serial number than asked.
    """
    here = ports()
    if url is not None:
        _check_serial_number(url, serial_number, here)
        return url
    if serial_number is not None:
        fitting = [port for port in here if port.serial_number == serial_number]
        wish = f"no serial port has serial number {serial_number}"
    else:
        fitting = [port for port in here if port.usb in board.probe.usb]
        wish = f"no serial port belongs to a {board.title}'s probe ({', '.join(board.probe.usb)})"
    if len(fitting) == 1:
        return fitting[0].device
    if fitting:
        wish = f"{len(fitting)} serial ports can be meant"
    raise TargetError(f"{wish}: choose one, --at PORT or --at serial=NUMBER. Here are: {_listed(here)}")


def _check_serial_number(url: str, serial_number: str | None, here: Sequence[Port]) -> None:
    if serial_number is None:
        return
    found = port_at(url, here)
    if found is None or found.serial_number is None:
        raise TargetError(
            f"{url} is no USB device with a serial number, so whether it is {serial_number} cannot be known: "
            "leave it out, or give the chip's own number, --at chip=..."
        )
    if found.serial_number != serial_number:
        raise TargetError(
            f"the board at {url} has serial number {found.serial_number}, not {serial_number}. "
            f"Here are: {_listed(here)}"
        )


def port_at(url: str, here: Sequence[Port] | None = None) -> Port | None:
    """The USB port that a path leads to, through links such as those in /dev/serial/by-id; None for anything else."""
    if "://" in url:
        return None
    real = str(Path(url).resolve())
    return next((port for port in (ports() if here is None else here) if port.device in (url, real)), None)


def identity(url: str) -> str:
    """What tells the board at a port from all others: its serial number, else where it is plugged in."""
    port = port_at(url)
    if port is not None and port.serial_number is not None:
        return f"USB device {port.serial_number}"
    return f"port {url if '://' in url else Path(url).resolve()}"


def find_probe(board: Board, wanted: str | None, url: str) -> str | None:
    """The serial number of the probe that flashes and resets the board at a port; None where no probe is seen.

    A port of the probe's own says which; else there must be only one. Raises TargetError where there are several.
    """
    if wanted is not None:
        return wanted
    here = probes(board)
    port = port_at(url)
    if port is not None and port.usb in board.probe.usb:
        return port.serial_number
    if len(here) > 1:
        listed = " or ".join(probe.serial_number for probe in here)
        raise TargetError(f"{len(here)} probes can be the board's: choose one, --at probe={listed}")
    return here[0].serial_number if here else None


def _listed(here: Sequence[Port]) -> str:
    return ", ".join(f"{p.device} ({p.usb}, serial number {p.serial_number or 'none'})" for p in here) or "none"
