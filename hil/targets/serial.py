"""A real board: the link over a serial port, firmware by a debug probe.

The port may be anything pyserial knows: /dev/ttyUSB0, COM3, socket://host:port, rfc2217://host:port.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import re
import time
from pathlib import Path
from typing import Any

import serial

from hil.board import Board
from hil.link import Client, DeviceFault, Hello, LinkError, ProtocolError, ProtocolMismatch
from hil.locks import LOOK_EVERY_S
from hil.targets import flashing, ports, power, shelf
from hil.targets.base import Capabilities, Observed, TargetError, TargetLostError
from hil.targets.closing import Closing
from hil.targets.connection import NEVER, Connection

log = logging.getLogger(__name__)

WRITE_TIMEOUT_S = 5.0  # the slowest line takes a second for all that the board's ring can hold
DTR_PULSE_S = 0.05
START_UP_S = 0.2  # from reset to a firmware that hears: its clock's crystal takes the longest
COMES_BACK_S = 15.0  # from power to a USB adapter that the system has named
ASK_AGAIN = 14  # silences, 5 s together, after which a board counts as mute when it is first asked
CRASHES = 3  # reports of old crashes that may still be on the line


class SerialTarget(Closing):
    """A board at a serial port, held by a lock from the first use until close().

    Nothing is flashed where the board runs the firmware already. Whatever answers at the port must be the chip that
    the board has, and the one that was flashed.
    """

    name = "serial"
    capabilities = Capabilities(cycles="dwt", injects_faults=True)

    def __init__(self, board: Board, connection: Connection | None = None) -> None:
        self.board = board
        self.flash_command: str | None = None  # the latest, for the report
        self._asked = connection or Connection()
        self._held: shelf.Holding | None = None
        self._strange: LinkError | None = None  # what was wrong with the latest answer, where one came
        self._heard = 0  # bytes that came in its place
        self._port: Any = None  # pyserial has no type that all its kinds of port share

    @property
    def connection(self) -> Connection:
        """Of the very board that is held; what was asked for before one is."""
        return self._held.connection if self._held is not None else self._asked

    @property
    def place(self) -> str | None:
        """The board's name in the lab, else its port; None before it is held."""
        return None if self._held is None else self.connection.name or self._held.url

    @property
    def _url(self) -> str:
        return "" if self._held is None else self._held.url

    @property
    def baud(self) -> int:
        return self.connection.baud or self.board.uart.baud

    # -- the board

    def boot(self, elf: Path) -> None:
        """Flash the firmware, unless the board runs it, and reset.

        Raises TargetError where the board cannot be had, is another one than asked for, or stays silent.
        """
        self.open()
        before = self._ask()
        if before is not None and _is_in(elf, before.elf_hash):
            self._check_chip(before)
            self._reset(before)
            may_run_on = self.connection.reset == "none"
        else:
            self._flash(elf, before)
            may_run_on = False
        answer = self._ask()
        if answer is None:
            raise self._silent()
        self._check_chip(answer)
        if not may_run_on:
            self._check_reset(before, answer)

    def load(self, elf: Path) -> None:
        """Flash a program that does not speak the link's protocol; with flash=none the board is taken to run it."""
        self.open()
        if self.connection.flash != NEVER:
            self._flash(elf, self._ask())

    def reset(self) -> None:
        """As the connection says: by asking the firmware, by the probe, by DTR, or by the board's supply."""
        self.open()
        self._reset(self._ask())

    def open(self) -> None:
        """Wait for the board and open its port; nothing is done to the board. Raises TargetError."""
        if self._port is not None:
            return
        if self._held is None:
            self._held = shelf.take(self.board, self._asked)
        else:
            self._held.find_again()
        self._port = _open(self._url, self.baud)

    def close(self) -> None:
        """Give the port and the board back."""
        self._disconnect()
        held, self._held = self._held, None
        if held is not None:
            held.release()

    # -- the line

    def write(self, data: bytes) -> None:
        """Raises TargetError when the port is gone or takes nothing more."""
        port = self._connected()
        try:
            port.write(data)
        except serial.SerialTimeoutException:
            raise TargetError(
                f"{self._url} takes no more bytes for {WRITE_TIMEOUT_S:g} s: unplug the adapter and try again"
            ) from None
        except (OSError, serial.SerialException) as error:
            raise self._vanished(error) from None

    def read(self, timeout_s: float) -> bytes:
        """timeout_s: of the board's time. Raises TargetError when the port is gone."""
        port, ours_s = self._connected(), timeout_s * self.connection.slower
        try:
            if port.timeout != ours_s:
                port.timeout = ours_s
            first: bytes = port.read(1)
            return first + port.read(port.in_waiting) if first else b""
        except (OSError, serial.SerialException) as error:
            raise self._vanished(error) from None

    def now_s(self) -> float:
        return time.monotonic() / self.connection.slower

    def read_memory(self, address: int, size: int) -> bytes:
        raise TargetError("a real board's memory is read by a debugger, not by the bench: use --target sim")

    def observed(self) -> Observed | None:
        return None

    # -- flashing and resetting

    def _flash(self, elf: Path, before: Hello | None) -> None:
        choice = self.connection.flash
        runs = f"runs build {before.build_id}" if before else "chatters" if self._heard else "is silent"
        if choice == NEVER:
            raise TargetError(f"the board at {self._url} {runs} and not {elf}: flash it, without --at flash={NEVER}")
        assert self._held is not None
        if choice is None and (done := self._held.flash(elf)) is not None:
            self.flash_command = done
            self._start_over()
            return
        if "://" in self._url and choice is None:
            raise TargetError(
                f"the board at {self._url} {runs} and not {elf}: flash it where it is plugged in, or, "
                "where its probe is here, name the tool with --at flash=TOOL"
            )
        probe = ports.find_probe(self.board, self.connection.probe, self._url)
        if probe is None and choice is None:
            raise TargetError(
                f"the board at {self._url} {runs} and not {elf}, and no probe of a {self.board.title} "
                f"({', '.join(self.board.probe.usb)}) is plugged in: connect it, or name the tool with --at flash=TOOL"
            )
        tool = flashing.choose_tool(self.board, choice)
        self.flash_command = flashing.flash(tool, self.board, elf, probe)
        self._start_over()
        self._count_again(tool)

    def _reset(self, answer: Hello | None) -> None:
        how = self.connection.reset
        if how == "link" and answer is None:
            how = "probe"
        if how == "link":
            Client(self).reset()
        elif how == "dtr":
            self._pulse_dtr()
        elif how == "power":
            assert self._held is not None
            self._disconnect()
            power.cycle(self._held.switch)
            self._come_back()
        elif how == "probe":
            probe = ports.find_probe(self.board, self.connection.probe, self._url)
            if probe is None and self.connection.flash in (None, NEVER):
                raise self._silent() if answer is None else TargetError("there is no probe to reset the board with")
            choice = None if self.connection.flash == NEVER else self.connection.flash
            tool = flashing.choose_tool(self.board, choice)
            flashing.reset(tool, self.board, probe)
            self._start_over()
            self._count_again(tool)
            return
        self._start_over()

    def _count_again(self, tool: flashing.Tool) -> None:
        """Have the firmware reset itself, with no debugger about, where the tool has left the cycle counter off."""
        if tool.leaves_counter_off:
            with contextlib.suppress(LinkError):  # a program that does not speak the protocol; or it is silent
                Client(self, retries=ASK_AGAIN).reset()
                self._start_over()

    def _come_back(self) -> None:
        """Open the port of a board that was switched off, its adapter perhaps with it: it can be another one now."""
        deadline = time.monotonic() + COMES_BACK_S
        while self._port is None:
            try:
                self.open()
            except TargetError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(LOOK_EVERY_S)

    def _pulse_dtr(self) -> None:
        """DTR active pulls the adapter's pin low, and NRST with it where it is wired so (docs/boards.md)."""
        port = self._connected()
        try:
            port.dtr = True
            time.sleep(DTR_PULSE_S)
            port.dtr = False
        except (OSError, serial.SerialException) as error:
            raise TargetError(f"{self._url} has no DTR line ({error}): choose another --at reset=") from None

    def _start_over(self) -> None:
        """Let the firmware start, and forget what the line said meanwhile. A port of the probe's own may be new."""
        time.sleep(START_UP_S)
        try:
            self._connected().reset_input_buffer()
        except (OSError, serial.SerialException):
            self._disconnect()
            self.open()

    # -- who answers

    def _ask(self) -> Hello | None:
        """The board's WELCOME; None if nothing answers in our protocol."""
        for _ in range(CRASHES):
            client = Client(self, retries=ASK_AGAIN)
            try:
                return client.hello()
            except DeviceFault as fault:
                log.info("%s: %s", self._url, fault)  # of the run before; the board starts again after its report
            except LinkError as error:
                log.info("%s: %s", self._url, error)
                self._strange = error if isinstance(error, ProtocolMismatch | ProtocolError) else None
                self._heard = client.statistics.bytes_in
                return None
        return None

    def _check_chip(self, answer: Hello) -> None:
        if answer.chip_id & 0xFFF not in self.board.device_ids:
            raise TargetError(
                f"the chip at {self._url} has device id {answer.chip_id & 0xFFF:#05x}, a {self.board.chip} has "
                f"{self.board.device_id:#05x}: another board is at this port, or --board {answer.board} is meant"
            )
        wanted = self.connection.chip
        if wanted is not None and answer.unique_id.lower() != wanted.lower():
            raise TargetError(f"the chip at {self._url} is number {answer.unique_id}, not {wanted}: another board")

    def _check_reset(self, before: Hello | None, after: Hello) -> None:
        """The probe and the port can belong to two boards; then the one at the port has not been reset.

        Another firmware counts its starts in another place: its number says nothing.
        """
        if before is not None and _as_it_was(before) == _as_it_was(after):
            raise TargetError(
                f"the board at {self._url} has not started again although one was flashed or reset: "
                "do the probe and the port belong to two boards? name them: --at serial=...,probe=..."
            )

    def _silent(self) -> TargetError:
        if self._strange is not None:
            return TargetError(f"{self._url}: {self._strange}")
        if self._heard:
            return TargetError(
                f"{self._heard} bytes came from {self._url} at {self.baud} baud, but no answer: is the speed right, "
                "does the board run this firmware, and does nothing else write to this port?"
            )
        return TargetError(
            f"no answer at {self._url} at {self.baud} baud: is the board powered, wired as docs/boards.md says, "
            "flashed, and its firmware built for this speed?"
        )

    # -- the port

    def _connected(self) -> Any:
        if self._port is None:
            raise TargetError("the serial port is not open: boot() first")
        return self._port

    def _disconnect(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            with contextlib.suppress(OSError, serial.SerialException):
                port.close()

    def _vanished(self, error: Exception) -> TargetError:
        self._disconnect()
        return TargetLostError(f"{self._url} is gone ({error}): was it unplugged? plug it in and run again")


def _open(url: str, baud: int) -> Any:
    try:
        port = serial.serial_for_url(url, do_not_open=True)
        port.baudrate = baud
        if not url.startswith("rfc2217://"):  # for which pyserial has none
            port.write_timeout = WRITE_TIMEOUT_S
        if "://" not in url:
            port.exclusive = True  # against terminal programs, which know nothing of our lock
            port.dtr = False  # which may be wired to the reset pin
        port.open()
    except (OSError, ValueError, serial.SerialException) as error:
        raise TargetError(_why_not(url, error)) from None
    with contextlib.suppress(AttributeError, NotImplementedError, OSError, ValueError):
        port.set_low_latency_mode(True)  # an FTDI adapter keeps bytes for 16 ms without
    return port


def _why_not(url: str, error: Exception) -> str:
    # pyserial puts what the system said into its text
    hidden = re.search(r"\((\d+), '(.*)'\)", str(error)) or re.search(r"\[Errno (-?\d+)\] ([^\[]*)$", str(error))
    code = error.errno if isinstance(error, OSError) and error.errno else int(hidden[1]) if hidden else None
    if isinstance(error, ValueError):
        return f"cannot use the port {url}: {error}; give a device such as /dev/ttyUSB0 or a pyserial URL"
    if code == errno.ENOENT:
        return f"there is no port {url}: hil boards lists those that are there"
    if code in (errno.EACCES, errno.EPERM):
        return f"no permission for {url}: sudo usermod -aG {_group(url)} $USER, then log in again"
    if code in (errno.EBUSY, errno.EAGAIN):
        return f"{url} is in use by another program: close it (fuser {url} names it)"
    if code in (errno.ENOTTY, errno.EISDIR, errno.EINVAL):
        return f"{url} is no serial port: hil boards lists those that are there"
    return f"cannot open the port {url}: {hidden[2] if hidden else error}"


def _group(path: str) -> str:
    try:
        return Path(path).group()
    except (OSError, KeyError, NotImplementedError):
        return "dialout"


def _as_it_was(answer: Hello) -> tuple[str, str, int]:
    """What stays the same as long as a board does not start anew."""
    return answer.unique_id, answer.elf_hash, answer.boots


def _is_in(elf: Path, elf_hash: str) -> bool:
    """Whether a firmware is the very one that a board names: it carries the hash as text."""
    if not elf_hash:
        return False
    try:
        return elf_hash.encode() in elf.read_bytes()
    except OSError as error:
        raise TargetError(f"cannot read {elf}: {error.strerror}; build it first (hil build)") from None
