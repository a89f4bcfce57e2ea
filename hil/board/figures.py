"""Cycle figures that documents leave open and a board's own measurements may correct: board.toml's table [timing].

`hil calibrate --target serial --store` measures them (docs/timing.md).
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import asdict

Cycles = Annotated[int, Meta(ge=0, le=100)]
Bits = Annotated[int, Meta(ge=1, le=100)]


class Figures(Struct, forbid_unknown_fields=True, frozen=True):
    """Cycles. Sources: ARM's Cortex-M4 manual (100166), 3.3.1 and 3.9.1; confidence C, docs/timing.md.

    UDIV and SDIV take shortest_divide if the dividend is the shorter one, else equal_divide and one more for every
    bits_a_divide_cycle bits that it is longer. unaligned_word: on top, at 2 mod 4; odd_word, odd_halfword: on top, at
    an odd address. sdram_latency: to a read's first halfword, sdram_halfword: each, sdram_row: another row (sdram.py:
    CAS 3, precharge 2 and row to column 2 clocks at half the core's, a pipe of 1).
    """

    multiply_add: Cycles = 3
    fp_divide: Cycles = 14
    fp_pair_move: Cycles = 2
    special_register: Cycles = 2
    shortest_divide: Cycles = 2
    equal_divide: Cycles = 3
    bits_a_divide_cycle: Bits = 4
    longest_divide: Cycles = 12
    unaligned_word: Cycles = 1
    odd_word: Cycles = 2
    odd_halfword: Cycles = 1
    sdram_latency: Cycles = 7
    sdram_halfword: Cycles = 2
    sdram_row: Cycles = 8
    exception_entry: Cycles = 12
    exception_return: Cycles = 10
    tail_chain: Cycles = 6

    @property
    def unknown_divide(self) -> int:
        """A divide whose operands are not looked at: the middle."""
        return (self.shortest_divide + self.longest_divide) // 2

    def changed(self) -> dict[str, int]:
        """Those that are not the documented ones."""
        documented = asdict(DOCUMENTED)
        return {name: value for name, value in asdict(self).items() if value != documented[name]}


DOCUMENTED = Figures()
