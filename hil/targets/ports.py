"""What is plugged in: serial ports and debug probes, told apart by where they are plugged in and by serial numbers.

A serial number alone is not enough: cheap adapters all have the same one, and the first ST-Link/V2 gives 12 raw bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports

from hil.board import Board
from hil.targets.base import TargetError

_SYSFS = Path("/sys/bus/usb/devices")
_OLD_ST_LINK, _RAW_BYTES = "0483:3748", 12


@dataclass(frozen=True)
class Port:
    """A serial port. usb: "vendor:product" in hex, and serial_number: of the USB device behind it; None without one.

    location: the USB path, such as 1-2.3, with :CONFIGURATION.INTERFACE behind it where the device has several; None
    where the system does not say.
    """

    device: str
    usb: str | None
    serial_number: str | None
    description: str
    location: str | None = None


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
            number, place = port.serial_number or None, port.location or None
            found.append(Port(port.device, usb, number, port.description or "n/a", place))
    return found


def probes(board: Board, folder: Path = _SYSFS) -> list[Probe]:
    """The probes that may belong to a board, by USB vendor and product. Linux alone can tell; none elsewhere.

    A probe without a serial port (the F407's ST-Link/V2) is no serial port's neighbour, hence sysfs and not pyserial.
    """
    found = []
    for device in sorted(folder.glob("*/idVendor")):
        usb = f"{_text(device)}:{_text(device.with_name('idProduct'))}"
        if usb in board.probe.usb:
            number = readable(usb, _text(device.with_name("serial")))
            found.append(Probe(usb, number, _text(device.with_name("product"))))
    return found


def readable(usb: str, serial_number: str) -> str:
    """A probe's serial number as tools for flashing take it; empty where it cannot be told.

    The old ST-Link/V2 has 12 bytes of any value where others have characters, which Linux shows as one character each;
    the tools want them as 24 hex digits (OpenOCD 0.12, pyOCD 0.46, stlink 1.7). Linux cuts them off at a zero byte.
    """
    if usb != _OLD_ST_LINK:
        return serial_number
    if len(serial_number) == _RAW_BYTES:
        return "".join(f"{ord(character) & 0xFF:02X}" for character in serial_number)
    return serial_number if serial_number.isascii() and serial_number.isalnum() else ""


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace").removesuffix("\n")  # a raw byte may be a blank
    except OSError:
        return ""


def find_port(board: Board, url: str | None, serial_number: str | None, usb: str | None = None) -> str:
    """The port that is meant: the URL, the one at the USB path, that with the serial number, or the board's only one.

    Raises TargetError, with what is plugged in, where that is none, several, or has another serial number than asked.
    """
    here = ports()
    if url is not None:
        _check_serial_number(url, serial_number, here)
        return url
    if usb is not None:
        fitting = [port for port in here if _is_at(port, usb)]
        wish = f"no serial port is plugged in at USB path {usb}"
        if serial_number is not None and len(fitting) == 1:
            _check_serial_number(fitting[0].device, serial_number, here)
    elif serial_number is not None:
        fitting = [port for port in here if port.serial_number == serial_number]
        wish = f"no serial port has serial number {serial_number}"
    else:
        fitting = [port for port in here if port.usb in board.probe.usb]
        wish = f"no serial port belongs to a {board.title}'s probe ({', '.join(board.probe.usb)})"
    if len(fitting) == 1:
        return fitting[0].device
    if fitting:
        wish = f"{len(fitting)} serial ports can be meant"
    raise TargetError(f"{wish}: choose one, --at PORT, --at usb=PATH or --at serial=NUMBER. Here are: {_listed(here)}")


def _is_at(port: Port, usb: str) -> bool:
    """Whether a port is at a USB path, which may leave out configuration and interface."""
    return port.location is not None and usb in (port.location, port.location.partition(":")[0])


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
    """What tells the board at a port from all others: where it is plugged in, else its serial number, else the port.

    The USB path comes first: there are adapters that all have serial number 0001, and must not share a lock.
    """
    here = ports()
    port = port_at(url, here)
    if port is not None and port.location and sum(other.location == port.location for other in here) == 1:
        return f"USB device at {port.location}"
    number = port.serial_number if port is not None and not port.location else None
    if number and sum(other.serial_number == number for other in here) == 1:
        return f"USB device {number}"
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
    def about(port: Port) -> str:
        place = f", USB path {port.location}" if port.location else ""
        return f"{port.device} ({port.usb}{place}, serial number {port.serial_number or 'none'})"

    return ", ".join(about(port) for port in here) or "none"
