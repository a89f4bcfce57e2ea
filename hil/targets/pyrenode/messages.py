"""What this process and the one that runs Renode say to each other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GdbPort:
    """Where Renode's GDB server is to be, 0: at any free port. at_start: the core waits for it from the beginning."""

    port: int
    at_start: bool


@dataclass(frozen=True)
class Board:
    """A board to switch on: paths, and what the platform calls the parts of its serial link."""

    name: str
    platform: str
    elf: str
    uart: str
    dma: str
    stream: int
    log: str  # Renode writes to this file from here on
    gdb: GdbPort | None = None


@dataclass(frozen=True)
class Stop:
    """What stopped the core. access: read, write, execute or abort (AccessGuard.cs); breakpoint, vector, lock-up or
    table (ExceptionWatch.cs): the last three are a vector that is none, all that are none, a table outside memory.
    """

    access: str
    address: int
    is_code: bool


@dataclass(frozen=True)
class State:
    """A board between two portions of time. opcode: the two bytes at its program counter.

    exceptions: entered since power-on; exception, handler: number and handler of the last; reset_at: where the firmware
    asked for its last reset.
    """

    microseconds: int
    instructions: int
    resets: int
    opcode: bytes
    received: bytes
    stop: Stop | None
    is_held: bool  # False: Renode is still busy with the portion
    exceptions: int
    exception: int
    handler: int
    reset_at: int
    worked_s: float  # seconds of the processor that Renode's process has taken
    waits_for_gdb: bool = False
