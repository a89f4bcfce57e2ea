"""The array that the native block hook works on, and what is entered in it when a block runs for the first time."""

from __future__ import annotations

import numpy as np

from hil.board import Board
from hil.targets.sim.core import unicorn_api
from hil.targets.sim.core.blocks import Block, Check, analyse
from hil.targets.sim.core.memory import Memory
from hil.timing.compiled import blockhook as hook

_CHECK_WORDS = 1 << 18


class BlockTable:
    """The state of hil.timing.compiled.blockhook for one core. words: it as plain ints, faster to index."""

    def __init__(self, board: Board, memory: Memory) -> None:
        self._memory = memory
        self._blocks: dict[int, Block] = {}
        self._cuts: dict[tuple[int, int], Block] = {}  # of one start there may be several, of different sizes
        flash, sram = board.flash, board.sram
        self._check_next = hook.TABLE + flash.bytes + sram.bytes
        self._check_end = self._check_next + _CHECK_WORDS
        self.state = np.zeros(self._check_end, np.uint64)
        self.address = int(self.state.ctypes.data)  # of the array in this process's memory
        self.words = words = memoryview(self.state)  # type: ignore[arg-type]
        words[hook.FN_STOP] = unicorn_api.EMU_STOP
        words[hook.FN_REG_READ] = unicorn_api.REG_READ
        words[hook.FLASH_ORIGIN], words[hook.FLASH_BYTES] = flash.origin, flash.bytes
        words[hook.SRAM_ORIGIN], words[hook.SRAM_BYTES] = sram.origin, sram.bytes
        words[hook.SRAM_TABLE] = hook.TABLE + flash.bytes
        words[hook.STACK_LOW] = words[hook.STACK_TOP] = 0xFFFF_FFFF
        words[hook.SKIP_CHECKS] = 1  # no address is odd

    def __getitem__(self, address: int) -> Block:
        """The block that was last seen to start at an address."""
        return self._blocks[address]

    @property
    def running(self) -> Block:
        """The block that runs."""
        address = self.words[hook.BLOCK]
        return self._cuts.get((address, self.words[hook.BLOCK_SIZE])) or self._blocks[address]

    def see(self, address: int, size: int) -> Block:
        """Fill in a block's word."""
        code = self._memory.read(address, size)
        block = self._blocks[address] = self._cuts[address, size] = analyse(address, code, self._constant)
        index = self._index(address)
        if block.checks:
            self.words[index + 1] = self._store(block.checks)
        self.words[index] = block.instructions | size << hook.SIZE_SHIFT | block.flags
        return block

    def _constant(self, address: int) -> int | None:
        """A word of flash, which does not change."""
        return self._memory.word(address) if self._memory.find(address, 4) is self._memory.flash else None

    def _index(self, address: int) -> int:
        flash, sram = self._memory.flash, self._memory.sram
        if address < len(flash.data):  # the boot alias
            address += flash.origin
        if address >= sram.origin:
            return self.words[hook.SRAM_TABLE] + (address - sram.origin)
        return hook.TABLE + address - flash.origin

    def _store(self, checks: list[Check]) -> int:
        """Put a block's checks into the check table. Returns their index."""
        first = self._check_next
        self._check_next += 1 + len(checks)
        if self._check_next > self._check_end:
            raise MemoryError("the check table is full: the firmware rewrites its own code without end")
        self.words[first] = len(checks)
        for k, check in enumerate(checks):
            self.words[first + 1 + k] = check.word
        return first
