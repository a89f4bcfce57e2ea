"""`hil cycles`: how long a function of any program for the chip takes, with no firmware of ours around it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil import board as boards
from hil.errors import HilError
from hil.timing.compiled.engine import Mode
from hil.timing.cycles.core import Call, Core
from hil.timing.cycles.program import Program, load_program
from hil.timing.profile.annotate import Code, annotate
from hil.timing.profile.profiler import Profiler
from hil.timing.statement import rules

DEFAULT_TIMEOUT_CYCLES = 1_000_000_000
_MODES = ("full", "fast")
_MOST_WAIT_STATES = 15  # FLASH_ACR.LATENCY has four bits


@dataclass(frozen=True)
class Timing:
    """What the repetitions of a call took, in order: the first finds the flash caches cold, the others warm.

    annotation: the hottest blocks of all repetitions, instruction by instruction; empty where it was not asked for.
    """

    symbol: str
    calls: tuple[Call, ...]
    annotation: str = ""

    def as_json(self) -> dict[str, Any]:
        """{"symbol", "cycles": [..], "instructions": [..], "r0": of the last call}."""
        return {
            "symbol": self.symbol,
            "cycles": [call.cycles for call in self.calls],
            "instructions": [call.instructions for call in self.calls],
            "r0": self.calls[-1].r0,
        }


def time_function(
    elf: Path,
    symbol: str,
    arguments: Sequence[int | str] = (),
    *,
    board: str = "stm32f407_disco",
    stack: int | None = None,
    wait_states: int | None = None,
    repeat: int = 1,
    mode: Mode = "full",
    disabled: Iterable[str] = (),
    timeout_cycles: int = DEFAULT_TIMEOUT_CYCLES,
    annotated: int = 0,
) -> Timing:
    """Call a function of an ELF `repeat` times and count its cycles.

    arguments: r0 to r3, then words on the stack; a string is a symbol, whose address is passed. stack: its top, by
    default the end of SRAM. wait_states: of the flash, by default those of the board at its full clock. disabled: names
    of hil.timing.statement.rules. annotated: how many of the hottest blocks to annotate. Raises HilError for what is
    wrong with the ELF or with what it does.
    """
    chip = boards.load(board)
    if mode not in _MODES:
        raise HilError(f"there is no mode {mode!r}: choose one of {', '.join(_MODES)}")
    waits = chip.flash_wait_states if wait_states is None else wait_states
    if not 0 <= waits <= _MOST_WAIT_STATES:
        raise HilError(f"the flash has 0 to {_MOST_WAIT_STATES} wait states, not {waits}")
    if repeat < 1 or timeout_cycles < 1:
        raise HilError("--repeat and --timeout-cycles are at least 1")
    active = rules.without(disabled)
    program = load_program(elf, chip)
    address = program.address(symbol)
    words = [_word(program.address(word) if isinstance(word, str) else word) for word in arguments]
    core = Core(program, chip, mode, active, waits)
    top = chip.sram.end if stack is None else stack
    profiler = Profiler(core.engine) if annotated else None
    calls = tuple(core.call(address, words, top, timeout_cycles) for _ in range(repeat))
    if profiler is None:
        return Timing(symbol, calls)
    return Timing(symbol, calls, annotate(profiler.take(), Code(core.engine.instruction, program.describe), annotated))


def _word(value: int) -> int:
    """An argument as a register holds it."""
    if not -(1 << 31) <= value < 1 << 32:
        raise HilError(f"--arg {value} does not fit a register's 32 bits: pass a 64-bit value as two arguments")
    return value & 0xFFFF_FFFF


__all__ = ["DEFAULT_TIMEOUT_CYCLES", "Program", "Timing", "time_function"]
