"""What the core has: Unicorn with its memories, the array that native code works on, time, registers, the stack."""

from __future__ import annotations

import ctypes
from typing import Any

import unicorn
from unicorn import arm_const as uc_arm

from hil.board import Board
from hil.targets.sim.core import unicorn_api
from hil.targets.sim.core import words as at
from hil.targets.sim.core.blocktable import BlockTable
from hil.targets.sim.core.memory import Memory
from hil.timing.compiled import blockhook as hook
from hil.timing.compiled.pages import PAGE
from hil.timing.compiled.registers import places

NOWHERE = 0x0008_0000 - 2  # where emu_start would end by itself: in flash's alias at 0, from which nothing runs
TCG_BUFFER = 32 << 20  # the default reserves 1 GB of address space
_NUMBERS = {uc_arm.UC_ARM_REG_R0 + n: n for n in range(13)}
_NUMBERS |= {uc_arm.UC_ARM_REG_SP: 13, uc_arm.UC_ARM_REG_LR: 14, uc_arm.UC_ARM_REG_PC: 15}


class CoreState:
    """A core at rest. Time is in cycles of its clock and never goes back."""

    def __init__(self, board: Board) -> None:
        self.uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self.uc.ctl_set_cpu_model(uc_arm.UC_CPU_ARM_CORTEX_M4)
        self.uc.ctl_set_page_size(PAGE)
        self.uc.ctl_set_tcg_buffer_size(TCG_BUFFER)  # type: ignore[attr-defined]
        self.memory = Memory(self.uc, board)
        self._running = False
        self._table = BlockTable(board, self.memory)
        self.words = self._table.words
        self.state_address = self._table.address  # of the block hook's array, for native code
        self.stop_at = NOWHERE
        self._fill_in_words(self._table.words)
        self.words[hook.REGISTERS] = place = places(self.uc).core
        self._registers = memoryview((ctypes.c_uint32 * 16).from_address(place)).cast("B").cast("I") if place else None

    def _fill_in_words(self, words: Any) -> None:
        """What native code wants to know of this process and of the board's memories."""
        handle = self.uc._uch.value  # type: ignore[union-attr]
        words[at.STATE], words[at.UC] = self._table.address, handle
        words[at.FN_START], words[at.FN_REG_WRITE] = unicorn_api.EMU_START, unicorn_api.REG_WRITE
        words[at.TICK_AT] = words[at.EVENT] = words[at.UNTIL] = words[at.MUST_END] = words[at.END_AT] = at.NEVER
        places = [at.REGIONS + at.REGION_WORDS * k for k in range(len(self.memory.rams))] + [at.FLASH_REGION]
        for place, region in zip(places, (*self.memory.rams, self.memory.flash), strict=True):
            words[place], words[place + 1] = region.origin, region.end
            words[place + 2] = region.data.ctypes.data

    @property
    def stop_at(self) -> int:
        """An address that is never executed."""
        address: int = self.words[at.STOP_AT]
        return address

    @stop_at.setter
    def stop_at(self, address: int) -> None:
        self.words[at.STOP_AT] = address

    # -- time

    @property
    def now(self) -> int:
        """The cycle it is, while the core runs that at which the present block was entered."""
        words = self.words
        if not self._running:
            return words[hook.CYCLES]
        return words[hook.RESUMED_START if words[hook.BLOCKS] == words[hook.RESUMED] else hook.BLOCK_START]

    @property
    def _block_start(self) -> int:
        """When the block that runs was entered, also where it was broken off in between."""
        words = self.words
        return words[hook.RESUMED_START if words[hook.BLOCKS] == words[hook.RESUMED] else hook.BLOCK_START]

    @property
    def executed(self) -> int:
        """Instructions so far; while the core runs, those of the present block included."""
        return self.words[hook.INSTRUCTIONS]

    def advance(self, cycle: int) -> None:
        """Let time pass while nothing executes."""
        self.words[hook.CYCLES] = max(self.words[hook.CYCLES], cycle)

    def spend(self, cycles: int) -> None:
        """Charge what takes time without being an instruction, such as exception entry."""
        self.words[hook.CYCLES] += cycles

    # -- the stack, watched from outside

    def watch_stack(self, limit: int, top: int) -> None:
        """Note the lowest stack pointer between two addresses, and stop before one below `limit` (0: no limit)."""
        self.words[hook.STACK_LIMIT], self.words[hook.STACK_TOP] = limit, top
        self.words[hook.STACK_LOW] = top

    @property
    def stack_low(self) -> int:
        """The lowest stack pointer since watch_stack()."""
        return self.words[hook.STACK_LOW]

    def origin_of_jump(self, pc: int) -> int:
        """Where the jump to pc, which went wrong, was made: the last halfword of the block before."""
        words = self.words
        was_entered = words[hook.BLOCK] == pc
        return (words[hook.CAME_FROM] if was_entered else words[hook.BLOCK] + words[hook.BLOCK_SIZE]) - 2

    @property
    def instructions_in_block(self) -> int:
        """How many instructions the block that runs has."""
        return self._table.running.instructions

    # -- registers

    def register(self, register: int) -> int:
        """A core register by its UC_ARM_REG id, as uint32."""
        if self._registers and register in _NUMBERS:
            return self._registers[_NUMBERS[register]]
        return unicorn_api.read_register(self.uc, register)

    def set_register(self, register: int, value: int) -> None:
        """The opposite of register()."""
        unicorn_api.write_register(self.uc, register, value)
