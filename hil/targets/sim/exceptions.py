"""Exceptions that native code leaves to Python: entry and return with all that can go wrong, and who wants to know."""

from __future__ import annotations

from dataclasses import dataclass

from hil.targets.sim.core import stacking
from hil.targets.sim.core import words as at
from hil.targets.sim.core.core import Core
from hil.targets.sim.core.priorities import level_now
from hil.targets.sim.peripherals.nvic import Nvic
from hil.targets.sim.peripherals.scb import Scb
from hil.timing.compiled import blockhook as hook


class InvalidReturn(Exception):
    """An exception return that the core refuses (UsageFault, INVPC)."""


class UnstackingFailed(Exception):
    """The frame to return to is in no memory (BusFault, UNSTKERR)."""


@dataclass(frozen=True)
class Entry:
    """An exception that has been taken: its vector as the table has it, and whether the frame was lost."""

    vector: int
    stacking_failed: bool


class Exceptions:
    """Takes exceptions and returns from them."""

    def __init__(self, core: Core, nvic: Nvic, scb: Scb) -> None:
        self._core, self._nvic, self._scb = core, nvic, scb

    @property
    def frames(self) -> list[tuple[int, int]]:
        """The contexts on the stacks, address and bytes, the innermost last."""
        words = self._core.words
        end = at.FRAMES + 2 * words[at.FRAME_COUNT]
        return [(words[k], words[k + 1]) for k in range(at.FRAMES, end, 2)]

    def forget(self) -> None:
        """The core was reset."""
        self._core.words[at.FRAME_COUNT] = 0

    def masked_level(self, to_wake: bool = False) -> int:
        """The group priority that a new exception must be below, the mask registers included.

        to_wake: to end a sleep, of which PRIMASK does not keep it (ARMv7-M ARM, B1.5.18).
        """
        level: int = level_now.ctypes(self._core.state_address, to_wake)
        return level

    def take(self, exception: int, return_address: int) -> Entry:
        """Stack the context and enter the handler. Raises TargetError where the vector table is in no memory."""
        core = self._core
        vector = stacking.take_exception.ctypes(core.state_address, exception, return_address)
        memory = core.memory
        if memory.on_write is not None and not vector & stacking.FRAME_LOST:
            memory.on_write(*self.frames[-1])
        self._spend(hook.ENTRY_CYCLES)
        return self._entered(exception, vector)

    def _entered(self, exception: int, vector: int) -> Entry:
        self._tell(exception, True)
        if vector == stacking.NO_VECTOR:
            self._core.memory.word(self._scb.vector_table + 4 * exception)  # says so
        return Entry(vector & 0xFFFF_FFFF, bool(vector & stacking.FRAME_LOST))

    def leave(self, value: int) -> tuple[int, Entry | None]:
        """Return from the innermost exception by EXC_RETURN: the address to go on at, or the exception chained to.

        Raises InvalidReturn or UnstackingFailed, with the exception no longer active.
        """
        core = self._core
        outcome = stacking.leave_exception.ctypes(core.state_address, value)
        if outcome == stacking.NOT_ACTIVE:
            raise InvalidReturn("exception return outside a handler")
        self._tell(core.words[at.ENDED], False)
        if outcome == stacking.BAD_RETURN:
            raise InvalidReturn(f"exception return to {value:#010x}")
        if outcome == stacking.CHAINED:
            self._spend(hook.TAIL_CHAIN_CYCLES)
            return 0, self._entered(self._nvic.active[-1], _signed(core.words[at.PC]))
        self._spend(hook.RETURN_CYCLES)
        if outcome == stacking.NO_FRAME:
            raise UnstackingFailed(f"no memory where the frame of {value:#010x} should be")
        return core.words[at.PC], None

    def _spend(self, cycles: int) -> None:
        stacking.spend_step.ctypes(self._core.state_address, cycles)

    def _tell(self, exception: int, begins: bool) -> None:
        if self._nvic.on_active is not None:
            self._nvic.on_active(exception, begins)


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word
