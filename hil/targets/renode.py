"""The same ELF on Renode, through pyrenode3."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from math import ceil
from pathlib import Path

from hil.board import Board
from hil.errors import HilError
from hil.paths import BUILD
from hil.targets.base import Capabilities, Direction, Observed, TargetError, TargetFault, dma_stream, how_many
from hil.targets.closing import Closing
from hil.targets.image import Image, load
from hil.targets.pyrenode import stops
from hil.targets.pyrenode.emulation import QUANTUM_US
from hil.targets.pyrenode.find import find
from hil.targets.pyrenode.gdb import Gdb
from hil.targets.pyrenode.keep import Traffic, keep
from hil.targets.pyrenode.machine import Machine
from hil.targets.pyrenode.process import pool
from hil.targets.pyrenode.progress import Progress, Stuck
from hil.targets.pyrenode.shell import MonitorPort

log = logging.getLogger(__name__)

RUNAWAY_S = 10.0  # of the chip's time; a bench gives more to a network that needs it
HANG_S = 30.0
_SLICE_US = 20_000  # of virtual time: after each it is known whether the firmware has slept
_BITS = 10  # of a byte on the line: start, eight, stop
_SP, _PC = 13, 15
_ICSR, _ISER = 0xE000_ED04, 0xE000_E100
_ISER_BYTES = 12  # of the chip's 82 interrupts


class RenodeTarget(Closing):
    """An STM32F4 board in Renode, with virtual time. Renode has a process of its own, which the next board uses again.

    The board runs only while read() waits. TargetFault, raised by read(), ends the firmware; what is known of it then
    lies in the folder `kept`. Renode counts instructions: CYCCNT shows them, and cycles are unknown.
    """

    name = "renode"

    def __init__(
        self, board: Board, *, uart: bool = False, runaway_s: float = RUNAWAY_S, hang_s: float = HANG_S,
        kept: Path | None = None, monitor: int | None = None, gdb: Gdb | None = None,
    ) -> None:  # fmt: skip
        """uart: bytes reach the firmware through the emulated UART at the line's speed; else frames are put into the
        memory that its DMA receives to, in no time. runaway_s: for how long, of virtual time, the firmware may compute
        without sleeping or sending a byte; hang_s: for how long, of ours, Renode may take for a slice of it. kept:
        where log, snapshot, registers and last frames of a run that went wrong go. monitor: a port of this machine at
        which Renode's monitor is while a board is on. gdb: where and when the board waits for GDB.

        Raises HilError, with the commands that help, where there is no Renode or no pyrenode3.
        """
        find()
        self.board = board
        self.kept = kept or BUILD / "renode" / board.name
        self._uart, self._runaway_s, self._hang_s = uart, runaway_s, hang_s
        self._monitor, self._gdb = monitor, gdb
        self.left: dict[str, bytes] = {}  # of the crash that ended the firmware: files of `kept`, by name
        self._port: MonitorPort | None = None
        self._image: Image | None = None
        self._machine: Machine | None = None

    @property
    def capabilities(self) -> Capabilities:
        """Asked of the Renode that is here, which is started for it. Raises HilError where it does not start."""
        return Capabilities(
            cycles="instructions",
            reads_memory=True,
            virtual_time=True,
            sees_stack=True,
            injects_faults=True,
            flips_bits=True,
            breaks_peripherals=True,
            unmodelled=pool().unmodelled(),
        )

    @property
    def machine(self) -> Machine:
        """Raises TargetError before boot() and after a crash."""
        if self._machine is None:
            raise TargetError("no firmware runs on Renode: boot() one first")
        return self._machine

    def expect_work(self, seconds: float) -> None:
        """See hil.targets.base.EndsLoops."""
        self._runaway_s = max(self._runaway_s, seconds)

    def boot(self, elf: Path) -> None:
        """Power up with a firmware. Raises HilError where the ELF does not fit the board."""
        self._image = load(elf, self.board)
        self.close()
        self._traffic, self._on_the_way, self.left = Traffic(), bytearray(), {}
        renode = pool().take()
        try:
            self._machine = Machine(renode, self.board, elf, self._hang_s, self._gdb)
            self._watch()
            if self._monitor is not None:
                self._port = MonitorPort(self._monitor, self.command)
        except HilError:
            self._machine = None
            renode.end()
            raise

    def reset(self) -> None:
        """As the reset button: RAM keeps its contents. After a crash that ended the run, the board starts afresh."""
        if self._machine is None and self._image is not None:
            self.boot(self._image.path)
            return
        self.machine.request_reset()
        self._on_the_way.clear()
        self._pass(QUANTUM_US)
        self.machine.take()
        self._watch()

    def close(self) -> None:
        machine, self._machine = self._machine, None
        port, self._port = self._port, None
        if port is not None:
            port.close()
        if machine is not None:
            with suppress(HilError):  # it may be gone
                machine.stop()
            pool().give_back(machine.renode)

    def command(self, text: str) -> str:
        """Have Renode's monitor execute a command (`sysbus WhatPeripheralIsAt 0x40004400`); returns what it prints.

        Raises HilError where it refuses, TargetError before boot().
        """
        return self.machine.renode.command(text)

    def write(self, data: bytes) -> None:
        """Put bytes on the line; they arrive while read() lets time pass."""
        self._traffic.note(self.machine.seconds, "to", data)
        if self._uart:
            self._on_the_way += data
        elif data:
            self.machine.hand_over(data)

    def read(self, timeout_s: float) -> bytes:
        """Bytes that the firmware has sent: at least one, or b"" once timeout_s of virtual time has passed.

        Raises TargetFault where the firmware crashes or never comes to rest, TargetError where Renode hangs.
        """
        machine = self.machine
        deadline_us = machine.now_us + ceil(timeout_s * 1e6)
        while not machine.received and machine.now_us < deadline_us:
            self._feed()
            self._pass(min(deadline_us - machine.now_us, QUANTUM_US if self._on_the_way else _SLICE_US))
        data = machine.take()
        self._traffic.note(machine.seconds, "from", data)
        return data

    def _feed(self) -> None:
        """Hand the UART what the line carries in a quantum."""
        size = max(1, round(self.board.uart.baud / _BITS * QUANTUM_US / 1e6))
        burst = bytes(self._on_the_way[:size])
        if burst:
            self.machine.send(burst)
            del self._on_the_way[:size]

    def _pass(self, microseconds: int) -> None:
        """Let time pass, and look whether the firmware still does what it should."""
        machine, start = self.machine, self.machine.state
        try:
            machine.run_until(start.microseconds + microseconds)
        except TargetError:
            self._machine = None
            raise
        now = machine.state
        if now.stop is not None:
            raise self._ended(stops.from_guard(now.stop, machine.registers(), self._symbols))
        stuck = self._progress.passed(now, is_heard=bool(machine.received))
        if stuck is not None:
            raise self._ended(self._why_stuck(stuck))
        if self._progress.is_asleep():
            crash = self._why_asleep()
            if crash is not None:
                raise self._ended(crash)

    def _watch(self) -> None:
        """From here on, see that the firmware gets on."""
        machine = self.machine
        self._progress = Progress(
            machine.state, machine.instructions_per_s, self._runaway_s, is_patient=self._gdb is not None
        )

    def _why_stuck(self, stuck: Stuck) -> stops.Crash:
        machine, symbols = self.machine, self._symbols
        registers = machine.registers()
        exception = int.from_bytes(machine.read(_ICSR, 4), "little") & 0x1FF
        frame = machine.read(registers[_SP], stops.FRAME_BYTES)
        crash = stops.in_handler(registers, exception, frame, symbols) if stuck.at is None else None
        return crash or stops.stuck(stuck, registers, symbols)

    def _why_asleep(self) -> stops.Crash | None:
        machine = self.machine
        registers = machine.registers()
        code = machine.read(registers[_PC] - 4, 6)
        can_wake = any(machine.read(_ISER, _ISER_BYTES))
        return stops.asleep(registers, code, machine.pending(), can_wake, self._symbols)

    def _ended(self, crash: stops.Crash) -> TargetFault:
        """Keep what is known of the run, and end it."""
        self.left = keep(self.kept, self.machine, self._traffic, crash)
        log.warning("what is known of the run lies in %s: log, registers, last frames, snapshot", self.kept)
        self.close()
        return crash.fault

    @property
    def _symbols(self) -> stops.Symbols:
        assert self._image is not None, "a machine runs an image"
        return self._image.symbols

    def now_s(self) -> float:
        """Since power-on, virtual."""
        return self.machine.now_us / 1e6

    def read_memory(self, address: int, size: int) -> bytes:
        """Bytes of flash or RAM. Raises TargetError outside them."""
        regions = (self.board.flash, *self.board.rams)
        if not any(region.origin <= address and address + size <= region.end for region in regions):
            raise TargetError(f"cannot read {size} bytes at {address:#010x}: the chip has no memory there")
        return self.machine.read(address, size)

    def flip_bit(self, address: int, bit: int, at: int, call: int) -> None:
        """Change bit 0 to 7 of a byte when the core comes to the address `at` for the call-th time."""
        self.read_memory(address, 1)
        self.machine.renode.call("flip_bit", address, bit, at, call)

    def flips(self) -> list[int]:
        """How often the core has come to the `at` of each flip_bit() since boot."""
        found: list[int] = self.machine.renode.call("flips")
        return found

    def stall_dma(self, direction: Direction) -> None:
        """The link's stream to memory ("rx") or from it ("tx") moves nothing from here on, until the chip is reset."""
        stream = dma_stream(self.board, direction)
        self.machine.renode.call("stall_dma", stream.controller, stream.stream)

    def overrun_uart(self, count: int) -> None:
        """The next bytes to the firmware are lost in the UART."""
        self.machine.renode.call("overrun_uart", how_many(count))

    def count_blocks(self) -> None:
        """Count how often each block of instructions runs, until blocks() is asked for."""
        self.machine.renode.call("count_blocks")

    def blocks(self) -> list[tuple[int, int, int]]:
        """Address, number of instructions, times run, of each block since count_blocks()."""
        found: list[tuple[int, int, int]] = self.machine.renode.call("blocks")
        return found

    def observed(self) -> Observed:
        """Instructions, virtual time, and the stack's high-water mark from what its memory looks like."""
        machine, stack = self.machine, stops.stack_of(self._symbols)
        now = machine.state
        seen = Observed(instructions=now.instructions, seconds=machine.seconds, resets=now.resets)
        if stack is None:
            return seen
        low = stack[0] + _untouched(machine.read(stack[0], stack[1] - stack[0]))
        return replace(seen, stack_used=stack[1] - low, stack_low=low)


def _untouched(stack: bytes) -> int:
    """How many bytes from the stack's end up still are what start-up painted: the word at its very end tells which."""
    words = memoryview(stack).cast("I")
    return 4 * next((n for n, word in enumerate(words) if word != words[0]), len(words))
