"""The firmware on this computer, without waiting: while it has nothing to do, its time passes at once.

A silence is then what it is on a simulated board: the firmware has taken in all there was and has said all it has to
say. A campaign spends its time on faults, and is the same each time, however busy the computer is.
"""

from __future__ import annotations

import array
import fcntl
import os
import select
import subprocess
import termios
from pathlib import Path

from hil.targets.base import TargetLostError
from hil.targets.native import READ_BYTES, NativeTarget

_QUICK_LOOKS = 50  # at a program that is about to be done
_MOST_LOOKS = 60_000  # of a millisecond: the firmware's own watchdog is earlier


class PromptTarget(NativeTarget):
    """As NativeTarget, with a clock that only silence moves: the firmware is waited for after all it is sent.

    Linux only. Raises TargetLostError where the program neither answers nor sleeps.
    """

    _passed_s = 0.0
    _state = -1  # file descriptor of the process's state
    _said = b""

    def boot(self, elf: Path) -> None:
        super().boot(elf)
        process = self._running()
        self._said = b""
        self._state = os.open(f"/proc/{process.pid}/stat", os.O_RDONLY)
        self._speaks = select.poll()
        self._speaks.register(_pipe(process.stdout), select.POLLIN)
        self._settle(process)

    def close(self) -> None:
        state, self._state = self._state, -1
        if state >= 0:
            os.close(state)
        super().close()

    def now_s(self) -> float:
        return self._passed_s

    def write(self, data: bytes) -> None:
        super().write(data)
        self._settle(self._running())

    def read(self, timeout_s: float) -> bytes:
        process = self._running()
        self._settle(process)
        said, self._said = self._said, b""
        if said:
            return said
        if self._has_ended:
            raise self._ended(process)
        self._passed_s += timeout_s
        return b""

    def _settle(self, process: subprocess.Popen[bytes]) -> None:
        """Take in what it says until it sleeps or ends."""
        self._has_ended = False
        for look in range(_MOST_LOOKS):
            is_idle = self._is_idle(process)  # looked at first: what it said before it slept is there by then
            if not is_idle and look < _QUICK_LOOKS:
                os.sched_yield()
            if self._speaks.poll(0 if is_idle or look < _QUICK_LOOKS else 1):
                data = os.read(_pipe(process.stdout), READ_BYTES)
                self._said += data
                self._has_ended = not data
            if is_idle or self._has_ended:
                return
        raise TargetLostError("the firmware's process neither answers nor sleeps")

    def _is_idle(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether it waits for input, and there is none."""
        unread = array.array("i", [0])
        fcntl.ioctl(_pipe(process.stdin), termios.FIONREAD, unread)
        return not unread[0] and os.pread(self._state, 256, 0).rpartition(b") ")[2].startswith(b"S")


def _pipe(pipe: object) -> int:
    assert hasattr(pipe, "fileno")
    return int(pipe.fileno())
