"""GDB at a board in Renode: by Renode's own server, where the bench waits for it, and what a person is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hil.targets.pyrenode.messages import State
from hil.targets.pyrenode.stops import Registers, from_guard
from hil.targets.symbols import Symbols

HOST = "127.0.0.1"
DEFAULT_PORT = 3333


@dataclass(frozen=True)
class Gdb:
    """The board waits for GDB before its first instruction ("start"), or where its firmware crashes ("fault").

    say: tells a person where to connect. port: of this machine, reached from it alone; 0: any free one.
    """

    say: Callable[[str], None]
    port: int = DEFAULT_PORT
    waits: Literal["start", "fault"] = "start"

    def tell(self, port: int, elf: Path, why: str) -> None:
        self.say(f"{why}\ngdb-multiarch -ex 'target remote {HOST}:{port}' {elf}")


def why(state: State, registers: Registers, table: Symbols, elf: Path) -> str:
    """Why a core waits for GDB."""
    if state.stop is not None:
        return str(from_guard(state.stop, registers, table).fault)
    if state.instructions:
        return f"the firmware has crashed: it is at the beginning of {table.describe(registers[15])}"
    return f"{elf.name} waits for GDB"
