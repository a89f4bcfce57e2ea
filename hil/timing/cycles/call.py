"""`hil cycles`: how long a function of any program for the chip takes, with no firmware of ours around it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil import board as boards
from hil.errors import HilError
from hil.timing.compiled.engine import Mode
from hil.timing.cycles.arguments import Argument, Placed, distribute, place, resolve
from hil.timing.cycles.core import Call, Core
from hil.timing.cycles.program import Program, load_program
from hil.timing.profile.annotate import Code, annotate
from hil.timing.profile.profiler import Profiler
from hil.timing.statement import rules
from hil.timing.statement.accelerator import STM32F4, accelerator

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
    returns_floats: bool = False

    def as_json(self) -> dict[str, Any]:
        """{"symbol", "cycles": [..], "instructions": [..], "r0": of the last call}; "s0", too, of a hard-float ELF."""
        return {
            "symbol": self.symbol,
            "cycles": [call.cycles for call in self.calls],
            "instructions": [call.instructions for call in self.calls],
            "r0": self.calls[-1].r0,
        } | ({"s0": self.calls[-1].s0} if self.returns_floats else {})


def time_function(
    elf: Path,
    symbol: str,
    arguments: Sequence[Argument] = (),
    *,
    data: Iterable[Placed] = (),
    init: Sequence[str] = (),
    constructors: bool = True,
    board: str = "stm32f407_disco",
    stack: int | None = None,
    wait_states: int | None = None,
    flash: str = STM32F4.name,
    repeat: int = 1,
    mode: Mode = "full",
    disabled: Iterable[str] = (),
    timeout_cycles: int = DEFAULT_TIMEOUT_CYCLES,
    annotated: int = 0,
) -> Timing:
    """Call a function of an ELF `repeat` times and count its cycles.

    arguments: r0 to r3, then words on the stack; of a string, a symbol's or data's name, with an offset if need be
    (out+16), the address is passed; floats go to S registers where the ELF's ABI says so. data: put into SRAM first.
    init: functions called first, without arguments and untimed, after the ELF's constructors (C++ static objects).
    stack: its top, by default the end of SRAM. wait_states: of the flash, by default those of the board at its full
    clock. flash: the accelerator before it, of accelerators.toml (another chip's: then its wait states). disabled:
    names of hil.timing.statement.rules. annotated: how many of the hottest blocks to annotate. Raises HilError for what
    is wrong with the ELF or with what it does.
    """
    chip = boards.load(board)
    if mode not in _MODES:
        raise HilError(f"there is no mode {mode!r}: choose one of {', '.join(_MODES)}")
    between = accelerator(flash)
    full_clock = chip.flash_wait_states if between is accelerator(STM32F4.name) else between.wait_states
    waits = full_clock if wait_states is None else wait_states
    if not 0 <= waits <= _MOST_WAIT_STATES:
        raise HilError(f"the flash has 0 to {_MOST_WAIT_STATES} wait states, not {waits}")
    if repeat < 1 or timeout_cycles < 1:
        raise HilError("--repeat and --timeout-cycles are at least 1")
    active = rules.without(disabled)
    program = place(load_program(elf, chip), data, chip)
    address = program.function(symbol)
    words, floats = distribute([resolve(program, one) for one in arguments], program.passes_floats)
    core = Core(program, chip, mode, active, waits, between)
    top = chip.sram.end if stack is None else stack
    first = [*(program.constructors if constructors else ()), *(program.function(name) for name in init)]
    core.prepare(first, top, timeout_cycles)
    profiler = Profiler(core.engine) if annotated else None
    calls = tuple(core.call(address, words, top, timeout_cycles, floats) for _ in range(repeat))
    hottest = ""
    if profiler is not None:
        hottest = annotate(profiler.take(), Code(core.engine.instruction, program.describe), annotated)
    return Timing(symbol, calls, hottest, program.passes_floats)


__all__ = ["DEFAULT_TIMEOUT_CYCLES", "Program", "Timing", "time_function"]
