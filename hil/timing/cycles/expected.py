"""Cycles in a test of any project: `hil_cycles("firmware.elf").call("fir", samples, 64) <= 1200`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hil.timing.cycles.arguments import Argument, Placed
from hil.timing.cycles.call import Timing, time_function


class Cycles(int):
    """The cycles of a call, a number to compare. timing: all there is to know of it."""

    timing: Timing

    @classmethod
    def of(cls, timing: Timing) -> Cycles:
        """Those of the last repetition."""
        made = cls(timing.calls[-1].cycles)
        made.timing = timing
        return made

    @property
    def r0(self) -> int:
        """What the function returned."""
        return self.timing.calls[-1].r0

    @property
    def s0(self) -> float:
        """What a function that returns a float returned, by the hard-float ABI."""
        return self.timing.calls[-1].s0

    def __repr__(self) -> str:
        return f"{int(self)} cycles of {self.timing.symbol}"


class TimedProgram:
    """An ELF whose functions are called one by one. options: of time_function, for all calls."""

    def __init__(self, elf: Path, **options: Any) -> None:
        self._elf, self._options = elf, options

    def call(self, symbol: str, *arguments: Argument | bytes, **options: Any) -> Cycles:
        """Time a function: numbers, floats and symbols are passed, bytes are put into SRAM and pointed to.

        options: of time_function (wait_states=0, repeat=2, mode="fast", ...). Raises HilError as it does.
        """
        data = [*options.pop("data", ())]
        passed: list[Argument] = []
        for number, argument in enumerate(arguments):
            if isinstance(argument, bytes | bytearray | memoryview):
                data.append(Placed(f"argument_{number}", bytes(argument)))
                passed.append(f"argument_{number}")
            else:
                passed.append(argument)
        return Cycles.of(time_function(self._elf, symbol, passed, data=data, **self._options | options))
