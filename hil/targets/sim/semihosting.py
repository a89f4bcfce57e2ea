"""Semihosting: what a program asks of a debugger by BKPT 0xAB (Arm's "Semihosting for AArch32 and AArch64").

Console output, the exit and the clock; files other than the console cannot be opened.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from unicorn import arm_const as uc_arm

from hil.errors import HilError
from hil.targets.base import TargetError
from hil.targets.sim.board import SimBoard

BREAKPOINT = b"\xab\xbe"
_OPEN, _CLOSE, _WRITEC, _WRITE0, _WRITE, _READ, _ISTTY, _FLEN, _CLOCK, _TIME, _ERRNO, _COMMAND, _HEAP, _EXIT = (
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x09, 0x0C, 0x10, 0x11, 0x13, 0x15, 0x16, 0x18,
)  # fmt: skip
_EXIT_EXTENDED, _ELAPSED, _FREQUENCY = 0x20, 0x30, 0x31
_CONSOLE, _FAILED = 1, -1
_ENDED_WELL = 0x2_0026  # ADP_Stopped_ApplicationExit
_LONGEST = 1 << 16  # bytes of a string
_PIECE = 64
MOST_REQUESTS = 1_000_000  # half a minute of the computer at the most
MOST_PRINTED = 16 << 20  # bytes


class ProgramEnded(Exception):
    """The program has asked to end. code: 0 where all went well."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code


class Semihosting:
    """Answers a board's program. output: takes what it prints."""

    def __init__(self, board: SimBoard, output: Callable[[bytes], None]) -> None:
        self._board, self._output = board, output
        self._core = board.core
        self._requests = self._printed = 0
        board.on_breakpoint = self.answer
        self._operations: dict[int, Callable[[int], int]] = {
            _OPEN: self._open, _CLOSE: lambda _: 0, _WRITEC: self._write_character, _WRITE0: self._write_string,
            _WRITE: self._write, _READ: lambda at: self._words(at, 3)[2], _ISTTY: lambda _: 1, _FLEN: lambda _: 0,
            _CLOCK: lambda _: int(board.seconds * 100), _TIME: lambda _: 0, _ERRNO: lambda _: 0,
            _COMMAND: lambda _: _FAILED, _HEAP: self._heap, _EXIT: self._exit, _EXIT_EXTENDED: self._exit_extended,
            _ELAPSED: self._elapsed, _FREQUENCY: lambda _: board.clock.hz,
        }  # fmt: skip

    def answer(self, pc: int) -> int | None:
        """What a BKPT at pc asks for. Returns where to go on; None where it is none of semihosting's.

        Raises ProgramEnded, and TargetError for an operation there is not, or where they never end.
        """
        if self._core.memory.read(pc, 2) != BREAKPOINT:
            return None
        operation = self._core.register(uc_arm.UC_ARM_REG_R0)
        if operation not in self._operations:
            raise TargetError(f"{self._board.describe_place()}: semihosting operation {operation:#x} is not there")
        self._requests += 1
        if self._requests > MOST_REQUESTS or self._printed > MOST_PRINTED:
            raise TargetError(
                f"{self._board.describe_place()}: {self._requests} semihosting requests, "
                f"{self._printed} bytes printed: it does so for ever"
            )
        result = self._operations[operation](self._core.register(uc_arm.UC_ARM_REG_R1))
        self._core.set_register(uc_arm.UC_ARM_REG_R0, result & 0xFFFF_FFFF)
        return pc + 2

    def _words(self, address: int, count: int) -> tuple[int, ...]:
        return struct.unpack(f"<{count}I", self._core.memory.read(address, 4 * count))

    def _open(self, block: int) -> int:
        name, _, length = self._words(block, 3)
        return _CONSOLE if self._core.memory.read(name, length) == b":tt" else _FAILED

    def _write_character(self, address: int) -> int:
        self._print(self._core.memory.read(address, 1))
        return 0

    def _write_string(self, address: int) -> int:
        text = bytearray()
        while len(text) < _LONGEST and b"\0" not in text:
            text += self._core.memory.read(address + len(text), _PIECE - (address + len(text)) % _PIECE)
        self._print(bytes(text.partition(b"\0")[0]))
        return 0

    def _write(self, block: int) -> int:
        _, data, length = self._words(block, 3)
        try:
            self._print(self._core.memory.read(data, length))
        except HilError:
            return length  # nothing was written
        return 0

    def _print(self, text: bytes) -> None:
        self._printed += len(text)
        self._output(text)

    def _heap(self, block: int) -> int:
        """No heap and stack of the debugger's: a program then takes its linker script's."""
        (place,) = self._words(block, 1)
        self._core.memory.write(place, bytes(16))
        return 0

    def _elapsed(self, block: int) -> int:
        self._core.memory.write(block, struct.pack("<Q", self._core.now))
        return 0

    def _exit(self, reason: int) -> int:
        raise ProgramEnded(0 if reason == _ENDED_WELL else 1)

    def _exit_extended(self, block: int) -> int:
        reason, code = self._words(block, 2)
        raise ProgramEnded(code if reason == _ENDED_WELL else 1)
