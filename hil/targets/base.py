"""What every target is: something that runs the firmware and has a serial line to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self, runtime_checkable

from hil.board import Board
from hil.board.describe import DmaStream
from hil.errors import HilError


class Transport(Protocol):
    """A serial line."""

    def write(self, data: bytes) -> None:
        """Put bytes on the line to the device."""
        ...

    def read(self, timeout_s: float) -> bytes:
        """Bytes from the device: at least one as soon as any is there, b"" once timeout_s of its time has passed.

        The target's time is virtual on an emulator and wall-clock time elsewhere.
        """
        ...


Counter = Literal["timing-model", "instructions", "dwt"] | None  # what a device's cycle counter counts; None: nothing


@dataclass(frozen=True)
class Capabilities:
    """What a target can do. A test asks this, never which target it runs on."""

    cycles: Counter
    reads_memory: bool = False
    virtual_time: bool = False
    measures_memory: bool = True  # its stack and heap are the board's
    sees_stack: bool = False  # from outside
    sees_time: bool = False  # that its core was awake
    injects_faults: bool = False  # provoked crashes are caught and explained
    flips_bits: bool = False  # of memory, at a moment of one's choice: flip_bit()
    breaks_peripherals: bool = False  # of the link: stall_dma(), overrun_uart()
    timing: str | None = None  # the timing model's mode, "fast" or "full", where that is what counts cycles
    unmodelled: frozenset[str] = frozenset()  # crashes by the name that provokes them, which do not happen here


@dataclass(frozen=True)
class Observed:
    """What a target knows of the firmware without asking it. None: not knowable here."""

    cycles: int | None = None
    instructions: int | None = None
    stack_used: int | None = None  # bytes from the top of the main stack to the lowest stack pointer
    stack_low: int | None = None  # that stack pointer
    seconds: float | None = None  # of the target's time, since boot
    resets: int | None = None  # since boot
    awake: int | None = None  # cycles that the core has not slept through


class Target(Transport, Protocol):
    """A board, emulated or real, or the firmware on the host."""

    name: str
    board: Board
    capabilities: Capabilities

    def boot(self, elf: Path) -> None:
        """Load the firmware and reset. Raises HilError where the ELF is not for this target."""
        ...

    def reset(self) -> None:
        """As the reset button."""
        ...

    def close(self) -> None: ...

    def now_s(self) -> float:
        """The target's time in seconds, from some moment on: what `read` counts."""
        ...

    def read_memory(self, address: int, size: int) -> bytes:
        """Bytes of the device's memory; TargetError where it cannot be read."""
        ...

    def observed(self) -> Observed | None:
        """What is known from outside; None where nothing is."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@runtime_checkable
class EndsLoops(Protocol):
    """A target that takes a program for an endless one which computes for long without a pause."""

    def expect_work(self, seconds: float) -> None:
        """From the next boot() on it may compute for so long, of the target's time, at the least."""
        ...


class FlipsBits(Protocol):
    """What a target with the capability flips_bits can do, once it has booted."""

    def flip_bit(self, address: int, bit: int, at: int, call: int) -> None:
        """Change bit 0 to 7 of a byte of RAM or flash when the core comes to the address `at` for the call-th time."""
        ...

    def flips(self) -> list[int]:
        """How often the core has come to the `at` of each flip_bit() since boot, in their order."""
        ...


Direction = Literal["rx", "tx"]
MOST_HARM = 100_000  # frames or bytes


class BreaksPeripherals(Protocol):
    """What a target with the capability breaks_peripherals can do, once it has booted."""

    def stall_dma(self, direction: Direction) -> None:
        """The link's stream to memory ("rx") or from it ("tx") moves nothing from here on, until the chip is reset.

        Raises TargetError on a board whose link has no DMA.
        """
        ...

    def overrun_uart(self, count: int) -> None:
        """The next bytes to the firmware are lost: each comes while the one before has not been taken."""
        ...


def how_many(count: int) -> int:
    """A number of frames or bytes that are to be harmed. Raises TargetError for one that says nothing, or all."""
    if not 1 <= count <= MOST_HARM:
        raise TargetError(f"{count} cannot be harmed: give a count from 1 to {MOST_HARM}")
    return count


def dma_stream(board: Board, direction: Direction) -> DmaStream:
    """The stream that carries the link's bytes in a direction. Raises TargetError where an interrupt does."""
    found = board.uart.rx_dma if direction == "rx" else board.uart.tx_dma
    if found is None:
        raise TargetError(f"the link of {board.name} has no DMA that could stall")
    return found


class TargetError(HilError):
    """The target cannot go on, or not do what was asked of it."""


class TargetLostError(TargetError):
    """The target went away in the middle: unplugged, or its process ended."""

    exit_code = 1


class TargetFault(TargetError):
    """The firmware crashed: what happened, where, and in which state.

    kind: "stack overflow", "bus fault", "divide by zero", "endless loop", "lock-up", ... symbol and line are those of
    pc, or of the caller where pc is in no function (a call through a bad pointer). address: of the failed access,
    where there was one.
    """

    exit_code = 1

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        pc: int,
        lr: int,
        sp: int,
        cfsr: int = 0,
        hfsr: int = 0,
        address: int | None = None,
        symbol: str | None = None,
        line: str | None = None,
        cycle: int | None = None,
    ) -> None:
        self.kind, self.detail = kind, detail
        self.pc, self.lr, self.sp, self.cfsr, self.hfsr, self.address = pc, lr, sp, cfsr, hfsr, address
        self.symbol, self.line, self.cycle = symbol, line, cycle
        place = f"in {symbol}" if symbol else "outside every function"
        place += f" ({line})" if line else ""
        registers = f"PC {pc:#010x}, LR {lr:#010x}, SP {sp:#010x}"
        status = f", CFSR {cfsr:#010x}" if cfsr else ""
        super().__init__(f"firmware: {kind} {place}: {detail} [{registers}{status}]")
