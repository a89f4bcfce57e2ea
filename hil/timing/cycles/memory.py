"""The memory of a bare core: the chip's own, with its aliases, and peripherals that read as 0 and take writes.

Flash shows at 0 too (BOOT0 low); each bit of SRAM is a word of the bit-band alias; the backup SRAM is there as if its
clock were on.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable

import numpy as np
import unicorn
from numpy.typing import NDArray

from hil.board import Board
from hil.timing.cycles.patience import Patience
from hil.timing.cycles.systick import SystemCounters

BACKUP, BACKUP_BYTES = 0x4002_4000, 0x1000  # RM0090, 2.3
_PERIPHERALS, _PERIPHERALS_END = 0x4000_0000, 0x6000_0000
_SYSTEM = (0xE000_0000, 0x10_0000)
_BIT_BAND, _BIT_BAND_BYTES = 0x2200_0000, 1 << 20  # the alias, and how much of SRAM it reaches
_PAGE = 4096
_CODE = unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC
_DATA = unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE


def has_backup(board: Board) -> bool:
    """Whether the chip has 4 KB of backup SRAM: all lines but F401, F410, F411 and F412."""
    return not any(board.chip.startswith(f"STM32F{line}") for line in ("401", "410", "411", "412", "413", "423"))


def places(board: Board) -> dict[str, tuple[int, int]]:
    """Where a program may lie, by name: first address and the one past the last."""
    found = {"flash": (board.flash.origin, board.flash.end), "flash at 0": (0, board.flash.bytes)}
    found |= {memory.name.upper(): (memory.origin, memory.end) for memory in board.rams}
    if has_backup(board):
        found["backup SRAM"] = BACKUP, BACKUP + BACKUP_BYTES
    return found


class CoreMemory:
    """Memory mapped into a core. Keep it as long as the core."""

    def __init__(self, uc: unicorn.Uc, board: Board, counters: SystemCounters, patience: Patience) -> None:
        self._uc, self._counters, self._patience = uc, counters, patience
        self._kept: list[NDArray[np.uint8]] = []
        flash = self._allocate(board.flash.bytes)
        self._map(board.flash.origin, flash, _CODE)
        self._map(0, flash, _CODE)
        self._sram = self._allocate(board.sram.bytes)
        self._map(board.sram.origin, self._sram, unicorn.UC_PROT_ALL)
        for memory in (board.ccm, board.sdram):  # the SDRAM as if brought up already
            if memory is not None:
                self._map(memory.origin, self._allocate(memory.bytes), _DATA)
        uc.mmio_map(_BIT_BAND, 32 * min(board.sram.bytes, _BIT_BAND_BYTES), self._read_bit, None, self._write_bit, None)
        start, empty = _PERIPHERALS, (self._read_nothing, None, self._write_nothing)
        if has_backup(board):
            self._map(BACKUP, self._allocate(BACKUP_BYTES), _DATA)
            uc.mmio_map(start, BACKUP - start, *empty, None)
            start = BACKUP + BACKUP_BYTES
        uc.mmio_map(start, _PERIPHERALS_END - start, *empty, None)
        uc.mmio_map(*_SYSTEM, self._read_counter, None, self._write_counter, None)

    def load(self, segments: Iterable[tuple[int, bytes]]) -> None:
        """Put a program's bytes where they belong."""
        for address, data in segments:
            self._uc.mem_write(address, data)

    def _allocate(self, size: int) -> NDArray[np.uint8]:
        """Zeros at a page's start."""
        raw = np.zeros(size + _PAGE, np.uint8)
        start = -raw.ctypes.data % _PAGE
        self._kept.append(raw)
        return raw[start : start + size]

    def _map(self, origin: int, data: NDArray[np.uint8], rights: int) -> None:
        self._uc.mem_map_ptr(origin, len(data), rights, ctypes.c_void_p(data.ctypes.data))

    def _read_bit(self, _uc: unicorn.Uc, offset: int, _size: int, _data: object) -> int:
        self._patience.access(_BIT_BAND + offset)
        return int(self._sram[offset >> 5]) >> (offset >> 2 & 7) & 1

    def _write_bit(self, _uc: unicorn.Uc, offset: int, _size: int, value: int, _data: object) -> None:
        self._patience.access(_BIT_BAND + offset)
        bit, byte = 1 << (offset >> 2 & 7), int(self._sram[offset >> 5])
        self._sram[offset >> 5] = byte | bit if value & 1 else byte & ~bit

    def _read_counter(self, _uc: unicorn.Uc, offset: int, _size: int, _data: object) -> int:
        self._patience.access(_SYSTEM[0] + offset)
        return self._counters.read(offset)

    def _write_counter(self, _uc: unicorn.Uc, offset: int, _size: int, value: int, _data: object) -> None:
        self._patience.access(_SYSTEM[0] + offset)
        self._counters.write(offset, value)

    def _read_nothing(self, _uc: unicorn.Uc, offset: int, _size: int, _data: object) -> int:
        self._patience.access(_PERIPHERALS + offset)
        return 0

    def _write_nothing(self, _uc: unicorn.Uc, offset: int, _size: int, _value: int, _data: object) -> None:
        self._patience.access(_PERIPHERALS + offset)
