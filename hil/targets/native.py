"""The firmware compiled for this computer: the link over its standard input and output, signals in place of faults."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from pathlib import Path

from hil.board import Board
from hil.targets.base import Capabilities, Observed, TargetError, TargetFault, TargetLostError
from hil.targets.closing import Closing

READ_BYTES = 1 << 16
ELF_MAGIC = b"\x7fELF"
EM_ARM = 40


class NativeTarget(Closing):
    """A process that ends with this object, and with this process: it stops at the end of its input."""

    name = "native"
    capabilities = Capabilities(cycles=None, measures_memory=False, injects_faults=True)

    def __init__(self, board: Board) -> None:
        self.board = board
        self._elf: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def boot(self, elf: Path) -> None:
        """Start the program. Raises TargetError for a file that is not a program for this computer, and on Windows."""
        if os.name == "nt":
            raise TargetError("target native needs a POSIX system, which Windows is not: use --target sim")
        _check(elf)
        self.close()
        self._elf = elf
        try:
            self._process = subprocess.Popen([elf], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        except OSError as error:
            raise TargetError(f"{elf} does not start: {error.strerror}; build it for this computer again") from error

    def reset(self) -> None:
        if self._elf is None:
            raise TargetError("nothing to reset: no firmware was booted")
        self.boot(self._elf)

    def close(self) -> None:
        """End the process; its end of input is enough, unless it hangs."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()

    def write(self, data: bytes) -> None:
        process = self._running()
        assert process.stdin is not None
        try:
            while data:
                data = data[os.write(process.stdin.fileno(), data) :]
        except BrokenPipeError:
            pass  # it has ended; what it said before that, and how it ended, is for read to tell

    def read(self, timeout_s: float) -> bytes:
        """As every target's; a program that computes is given timeout_s of the processor, however busy it is."""
        process = self._running()
        assert process.stdout is not None
        before_s, _ = processor_time(process.pid)
        while not select.select([process.stdout], [], [], timeout_s)[0]:
            now_s, computes = processor_time(process.pid)
            if not computes or now_s - before_s >= timeout_s:
                return b""
        data = os.read(process.stdout.fileno(), READ_BYTES)
        if not data:
            raise self._ended(process)
        return data

    def now_s(self) -> float:
        return time.monotonic()

    def read_memory(self, address: int, size: int) -> bytes:
        raise TargetError("the native target has no board's memory to read: use --target sim")

    def observed(self) -> Observed | None:
        return None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise TargetError("no firmware was booted")
        return self._process

    def _ended(self, process: subprocess.Popen[bytes]) -> TargetError:
        code = process.wait()
        if code >= 0:
            return TargetLostError(f"the firmware's process ended with exit code {code}")
        name = signal.Signals(-code).name
        return TargetFault(name, "the process was ended by a signal that it could not report", pc=0, lr=0, sp=0)


def processor_time(pid: int) -> tuple[float, bool]:
    """Seconds of the processor that a process has had, and whether it wants more; (0, False) without /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0, False
    state, user, system = fields[0], int(fields[11]), int(fields[12])  # proc_pid_stat(5): 3, 14 and 15
    return (user + system) / os.sysconf("SC_CLK_TCK"), state == "R"


def _check(elf: Path) -> None:
    try:
        with elf.open("rb") as file:
            header = file.read(20)
    except OSError as error:
        raise TargetError(f"cannot read {elf}: {error.strerror}") from error
    if header[:4] != ELF_MAGIC:
        raise TargetError(f"{elf} is not an ELF file: expected out/native/firmware of a build")
    if int.from_bytes(header[18:20], "little") == EM_ARM:
        raise TargetError(f"{elf} is for a board, not for this computer: build the preset `native`")
