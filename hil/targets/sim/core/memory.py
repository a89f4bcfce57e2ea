"""The chip's memories, as numpy arrays that Unicorn runs on directly.

Exactly what the chip has, no byte more: an access beside them is a bus fault. RAM starts with a fixed pseudo-random
pattern, as the real one starts with anything: code that relies on zeros there fails here too.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import unicorn
from numpy.typing import NDArray

from hil import board as boards
from hil.board import Board
from hil.targets.base import TargetError
from hil.timing.compiled.pages import PAGE

ERASED = 0xFF
BOOT_ALIAS = 0x0000_0000  # BOOT0 low: flash shows here too, so address 0 reads as the initial stack pointer
SYSTEM_PAGE = 0x1FFF_7000  # the end of system memory: OTP bytes, unique id, flash size
UNIQUE_ID = 0x1FFF_7A10
FLASH_SIZE = 0x1FFF_7A22


@dataclass(frozen=True)
class Region:
    """A stretch of memory. data is page-aligned and shared with Unicorn."""

    name: str
    origin: int
    data: NDArray[np.uint8]
    dma: bool

    @cached_property
    def end(self) -> int:
        return self.origin + len(self.data)


def _allocate(size: int) -> NDArray[np.uint8]:
    """Zeroed bytes at a page's start, which mem_map_ptr wants."""
    raw = np.zeros(size + 4096, np.uint8)
    start = -raw.ctypes.data % 4096
    return raw[start : start + size]


def _region(memory: boards.Memory | None) -> Region | None:
    return None if memory is None else Region(memory.name, memory.origin, _allocate(memory.bytes), memory.dma)


class Memory:
    """Flash, SRAM, CCM and the system page of one board, mapped into one core."""

    def __init__(self, uc: unicorn.Uc, board: Board) -> None:
        self.flash = Region("flash", board.flash.origin, _allocate(board.flash.bytes), dma=True)
        self.sram = Region("sram", board.sram.origin, _allocate(board.sram.bytes), dma=True)
        self.system = Region("system", SYSTEM_PAGE, _allocate(PAGE), dma=True)
        self.ccm = _region(board.ccm)
        self.sdram = _region(board.sdram)
        self.rams = tuple(region for region in (self.sram, self.ccm, self.sdram) if region is not None)
        self._regions = (*self.rams, self.flash, self.system)
        self.on_write: Callable[[int, int], None] | None = None  # told of what DMA and exception entry write
        self.flash.data[:] = ERASED
        self._fill_system(board)
        code, data = unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE
        self._map(uc, self.flash, self.flash.origin, code)
        self._map(uc, self.flash, BOOT_ALIAS, code)
        self._map(uc, self.sram, self.sram.origin, unicorn.UC_PROT_ALL)
        if self.ccm is not None:
            self._map(uc, self.ccm, self.ccm.origin, data)  # on the core's data bus alone: no code
        self._map(uc, self.system, self.system.origin, unicorn.UC_PROT_READ)
        if self.sdram is not None:
            self.open_sdram(uc)

    @staticmethod
    def _map(uc: unicorn.Uc, region: Region, origin: int, rights: int) -> None:
        uc.mem_map_ptr(origin, len(region.data), rights, ctypes.c_void_p(region.data.ctypes.data))

    def open_sdram(self, uc: unicorn.Uc) -> None:
        """Let the core reach the SDRAM: its controller has brought it up."""
        assert self.sdram is not None, "a controller without SDRAM has nothing to open"
        self._map(uc, self.sdram, self.sdram.origin, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE)

    def close_sdram(self, uc: unicorn.Uc) -> None:
        """After a reset nothing answers there until start-up is through."""
        assert self.sdram is not None, "a controller without SDRAM has nothing to close"
        uc.mem_unmap(self.sdram.origin, len(self.sdram.data))

    def _fill_system(self, board: Board) -> None:
        self.system.data[:] = ERASED
        unique = f"SIM{board.chip[-9:]:9s}".encode()[:12]
        self.system.data[UNIQUE_ID - SYSTEM_PAGE :][:12] = np.frombuffer(unique, np.uint8)
        kilobytes = np.array([board.flash.bytes // 1024], "<u2").view(np.uint8)
        self.system.data[FLASH_SIZE - SYSTEM_PAGE :][:2] = kilobytes

    def power_on(self, seed: int) -> None:
        """RAM after a power cycle: the same noise each time."""
        noise = np.random.Generator(np.random.PCG64(seed))
        for region in self.rams:
            region.data[:] = noise.integers(0, 256, len(region.data), np.uint8)

    def find(self, address: int, size: int = 1) -> Region | None:
        """The region that holds all of a stretch; flash is found at its own address only."""
        for region in self._regions:
            if region.origin <= address and address + size <= region.end:
                return region
        return None

    def read(self, address: int, size: int) -> bytes:
        """Bytes as the core sees them. Raises TargetError outside the memories."""
        if address + size <= len(self.flash.data):
            address += self.flash.origin
        region = self.find(address, size)
        if region is None:
            raise TargetError(f"cannot read {size} bytes at {address:#010x}: the chip has no memory there")
        return region.data[address - region.origin :][:size].tobytes()

    def write(self, address: int, data: bytes, region: Region | None = None) -> None:
        """Put bytes into flash or RAM from outside. region: that they lie in, if known. Raises TargetError outside."""
        region = region or self.find(address, len(data))
        if region is None:
            raise TargetError(f"cannot write {len(data)} bytes at {address:#010x}: the chip has no memory there")
        if self.on_write is not None:
            self.on_write(address, len(data))
        region.data[address - region.origin :][: len(data)] = np.frombuffer(data, np.uint8)

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """The stretches of addresses, first and last, that are not RAM."""
        ram = sorted(self.rams, key=lambda region: region.origin)
        starts = [0, *(region.end for region in ram)]
        ends = [*(region.origin - 1 for region in ram), 0xFFFF_FFFF]
        return list(zip(starts, ends, strict=True))

    def is_ram(self, address: int, size: int) -> bool:
        """Whether the core can store there."""
        return self.find(address, size) in self.rams

    def word(self, address: int) -> int:
        """A little-endian word."""
        return int.from_bytes(self.read(address, 4), "little")
