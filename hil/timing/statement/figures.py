"""Cycle figures that documents leave open and a board's own measurements may correct: board.toml's table [timing].

`hil calibrate --target serial --store` measures them (docs/timing.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from hil.errors import HilError

_MOST = 100


@dataclass(frozen=True)
class Figures:
    """Cycles. Sources: ARM's Cortex-M4 manual (100166), 3.3.1 and 3.9.1; confidence C, docs/timing.md.

    UDIV and SDIV take shortest_divide if the dividend is the shorter one, else equal_divide and one more for every
    bits_a_divide_cycle bits that it is longer. unaligned_word: on top, at 2 mod 4; odd_word, odd_halfword: on top, at
    an odd address. sdram_latency: to a read's first halfword, sdram_halfword: each, sdram_row: another row (sdram.py:
    CAS 3, precharge 2 and row to column 2 clocks at half the core's, a pipe of 1).
    """

    multiply_add: int = 3
    fp_divide: int = 14
    fp_pair_move: int = 2
    special_register: int = 2
    shortest_divide: int = 2
    equal_divide: int = 3
    bits_a_divide_cycle: int = 4
    longest_divide: int = 12
    unaligned_word: int = 1
    odd_word: int = 2
    odd_halfword: int = 1
    sdram_latency: int = 7
    sdram_halfword: int = 2
    sdram_row: int = 8
    exception_entry: int = 12
    exception_return: int = 10
    tail_chain: int = 6

    @property
    def unknown_divide(self) -> int:
        """A divide whose operands are not looked at: the middle."""
        return (self.shortest_divide + self.longest_divide) // 2

    @classmethod
    def of(cls, table: Mapping[str, object], where: str = "[timing]") -> Figures:
        """From a table of board.toml. Raises HilError for an unknown name and for a value that is no cycle count."""
        known = [field.name for field in fields(cls)]
        for name, value in table.items():
            if name not in known:
                raise HilError(f"{where}: there is no timing figure {name!r}: choose of {', '.join(known)}")
            is_count = isinstance(value, int) and not isinstance(value, bool)
            if not is_count or not 0 <= int(str(value)) <= _MOST or (name == "bits_a_divide_cycle" and value == 0):
                raise HilError(f"{where}: {name} is {value!r}, expected a whole number of cycles up to {_MOST}")
        return cls(**{name: int(str(value)) for name, value in table.items()})

    def changed(self) -> dict[str, int]:
        """Those that are not the documented ones."""
        documented = asdict(Figures())
        return {name: value for name, value in asdict(self).items() if value != documented[name]}


DOCUMENTED = Figures()
