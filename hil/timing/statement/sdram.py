"""The F429's SDRAM behind the FMC: 16 bits wide, at half the core's clock, one open row in each of four banks.

What an access costs on top of one to SRAM, by the times that the firmware sets (firmware_src/port/stm32f4/sdram.c) and
RM0090 37.7: a read waits for the CAS latency and the read pipe, then for each halfword; a write goes to the FMC's FIFO,
which it fills at the speed of the chip; another row must be closed and opened first. Refreshes (0.5 % of the time) are
left out. No measurement was found: confidence C. The figures can be corrected (hil.board.figures).
"""

from __future__ import annotations

from hil.board.figures import Figures

FIRST, END = 0xC000_0000, 0xE000_0000
BANKS = 4
ROW_SHIFT, BANK_SHIFT = 9, 21  # 256 columns of 2 bytes, 4096 rows a bank


def is_sdram(address: int) -> bool:
    """Whether an address belongs to the FMC's SDRAM banks."""
    return FIRST <= address < END


def halfwords(size: int) -> int:
    """Transfers that `size` bytes take."""
    return (size + 1) // 2


def open_row_cost(size: int, is_load: bool, figures: Figures) -> int:
    """Extra cycles of an access of `size` bytes to a row that is open."""
    return (figures.sdram_latency if is_load else 0) + figures.sdram_halfword * halfwords(size)


class Sdram:
    """Remembers which rows are open."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._rows: list[int | None] = [None] * BANKS

    def access(self, address: int, size: int, is_load: bool) -> int:
        """Extra cycles of an access that begins at an address."""
        bank, row = address >> BANK_SHIFT & BANKS - 1, address >> ROW_SHIFT
        opens = self._rows[bank] != row
        self._rows[bank] = row
        return open_row_cost(size, is_load, self._figures) + (self._figures.sdram_row if opens else 0)
