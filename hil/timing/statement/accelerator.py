"""Flash accelerators, which accelerators.toml describes: caches and prefetch between the core and its flash array."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hil.errors import HilError

MOST_INSTRUCTION_LINES, MOST_DATA_LINES, LEAST_LINE_BYTES = 128, 32, 4


@dataclass(frozen=True)
class Accelerator:
    """line_bytes: of one read of the array, a power of two from 4 on. wait_states: at the chip's full clock."""

    name: str = "stm32f4"
    line_bytes: int = 16
    instruction_lines: int = 64
    data_lines: int = 8
    prefetch: bool = True
    wait_states: int = 5

    @property
    def line_shift(self) -> int:
        """A line's number is an address shifted by this."""
        return self.line_bytes.bit_length() - 1


STM32F4 = Accelerator()


@cache
def _known() -> dict[str, Accelerator]:
    tables = tomllib.loads((Path(__file__).parent / "accelerators.toml").read_text())
    return {name: Accelerator(name, **table) for name, table in tables.items()}


def names() -> list[str]:
    """Of those there are."""
    return list(_known())


def accelerator(name: str) -> Accelerator:
    """The one of a name. Raises HilError where there is none."""
    if name in _known():
        return _known()[name]
    near = difflib.get_close_matches(name, names(), 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise HilError(f"there is no flash accelerator {name!r}: {hint}choose one of {', '.join(names())}")
