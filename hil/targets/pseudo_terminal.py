"""A serial port that leads into this process: what a program writes to it is read here, and the other way round."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import termios
import tty
from pathlib import Path

from hil.targets.base import TargetError
from hil.targets.closing import Closing

_READ_BYTES = 1 << 16
_SPEEDS = {getattr(termios, name): int(name[1:]) for name in dir(termios) if name[0] == "B" and name[1:].isdecimal()}


class PseudoTerminal(Closing):
    """A pseudo-terminal pair; `path`, where given, becomes a link to the end that programs open."""

    def __init__(self, path: Path | None = None, baud: int = 38_400) -> None:
        """baud: what the port is set to until a program sets it. Raises TargetError where the link cannot be made."""
        self._master, self._slave = os.openpty()  # our own slave stays open: a program that leaves is no hang-up
        tty.setraw(self._slave)
        _set_speed(self._slave, baud)
        os.set_blocking(self._master, False)
        self.device = os.ttyname(self._slave)
        self.path = path
        self._watch: subprocess.Popen[bytes] | None = None
        if path is not None:
            try:
                _link(path, self.device)
                self._watch = _watch(path, self.device)
            except BaseException:
                self._close_ends()
                raise

    @property
    def baud(self) -> int | None:
        """The speed that the program at the other end has set; None for one that has no name."""
        return _SPEEDS.get(termios.tcgetattr(self._master)[5])

    def read(self, timeout_s: float) -> bytes:
        """What programs wrote: something as soon as it is there, b"" after timeout_s."""
        if not select.select([self._master], [], [], timeout_s)[0]:
            return b""
        return os.read(self._master, _READ_BYTES)

    def write(self, data: bytes) -> int:
        """Hand bytes to the program. Those that nobody has room for are lost, as on a wire. Returns how many were."""
        while data:
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                break
        return len(data)

    def close(self) -> None:
        """Take the port away: a program that has it open gets an error."""
        if self.path is not None and self.path.is_symlink() and os.readlink(self.path) == self.device:
            self.path.unlink()
        self._close_ends()
        if self._watch is not None:
            self._watch.communicate()

    def _close_ends(self) -> None:
        for end in (self._master, self._slave):
            with contextlib.suppress(OSError):
                os.close(end)


_WATCHING = """
import os, sys
sys.stdin.buffer.read()  # until the process at the other end of the pipe is no more
path, device = sys.argv[1:]
if os.path.islink(path) and os.readlink(path) == device:
    os.unlink(path)
"""


def _watch(path: Path, device: str) -> subprocess.Popen[bytes]:
    """A process that removes the link when this one ends, however it ends: the port's number is soon another's."""
    command = [sys.executable, "-I", "-S", "-c", _WATCHING, str(path.absolute()), device]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


def _set_speed(descriptor: int, baud: int) -> None:
    name = getattr(termios, f"B{baud}", None)
    if name is not None:
        settings = termios.tcgetattr(descriptor)
        settings[4:6] = [name, name]
        termios.tcsetattr(descriptor, termios.TCSANOW, settings)


def _link(path: Path, device: str) -> None:
    """Make the link; that of a process that was killed is replaced: it dangles, or leads to the number that we got."""
    if path.is_symlink() and (not path.exists() or os.readlink(path) == device):
        path.unlink()
    try:
        path.symlink_to(device)
    except FileExistsError:
        raise TargetError(f"{path} is there already: choose another path for the port, or remove it") from None
    except OSError as error:
        raise TargetError(f"cannot make the port {path}: {error.strerror}") from None
