"""Polling loops made short: a loop that only waits for a flag to change goes round at once as often as it would have.

`while (!(USART->SR & TXE));` runs some hundred times a byte, each time through Python. When the same block reads the
same register twice in a row, gets the same value, stores nothing and leaves every register as it was, and the timing
model says that the round began and cost as the one before, it will do so until the value changes; the cycles and
instructions of all those rounds are added in one step. What the firmware can see is the same to the cycle.
"""

from __future__ import annotations

from collections.abc import Hashable

from unicorn import arm_const as uc_arm

from hil.targets.sim.core.blocks import keeps_to_registers
from hil.targets.sim.core.core import Core
from hil.targets.sim.core.unicorn_api import Registers
from hil.timing.compiled import blockhook as hook

SEEN = [uc_arm.UC_ARM_REG_R0 + n for n in range(13)] + [
    uc_arm.UC_ARM_REG_SP,
    uc_arm.UC_ARM_REG_LR,
    uc_arm.UC_ARM_REG_XPSR,
]


class PollingLoops:
    """Watches the reads of status registers."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._registers = Registers(core.uc, SEEN)
        self._last = (0, 0, 0, 0, 0)  # address, value, block, number of the block, reads of CYCCNT
        self._entered = 0
        self._before: tuple[list[int], Hashable] | None = None
        self._harmless: dict[tuple[int, int], bool] = {}

    def note(self, address: int, value: int, changes_at: int) -> None:
        """A register was read. It keeps its value until the cycle changes_at, unless the core does something."""
        words = self._core.words
        block, number = words[hook.BLOCK], words[hook.BLOCKS]
        clock_reads = words[hook.CLOCK_READS]  # by which two rounds differ, though nobody here is told of them
        is_again = self._last == (address, value, block, number - 1, clock_reads)
        self._last = (address, value, block, number, clock_reads)
        entered, self._entered = self._entered, words[hook.BLOCK_START]
        if not is_again or not self._is_harmless(block, words[hook.BLOCK_SIZE]):
            self._before = None
            return
        seen = self._registers.read(), self._core.model.context()
        if seen == self._before:
            self._go_round(self._entered - entered, min(changes_at, words[hook.NEXT_EVENT]))
        self._before = seen

    def _go_round(self, cost: int, until: int) -> None:
        """Let as many rounds pass as end before a cycle."""
        words = self._core.words
        rounds = (until - 1 - words[hook.BLOCK_START]) // cost if cost > 0 else 0
        if rounds <= 0 or words[hook.PENDING]:
            return
        for word in (hook.CYCLES, hook.BLOCK_START):
            words[word] += rounds * cost
        words[hook.INSTRUCTIONS] += rounds * self._core.instructions_in_block
        self._entered += rounds * cost

    def _is_harmless(self, block: int, size: int) -> bool:
        key = (block, size)
        if key not in self._harmless:
            self._harmless[key] = keeps_to_registers(block, self._core.memory.read(block, size))
        return self._harmless[key]
