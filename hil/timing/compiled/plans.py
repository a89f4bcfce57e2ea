"""Plans: the steps of hil.timing.compiled.addresses as words of the arena, one plan for each block that has run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from unicorn import arm_const

from hil.timing.compiled import layout as at
from hil.timing.compiled.addresses import Step, steps_of
from hil.timing.compiled.rows import REGISTERS
from hil.timing.statement.instruction import Instruction

REGISTER_IDS = [*REGISTERS, *(arm_const.UC_ARM_REG_S0 + n for n in range(32))]  # by the bits of masks


class Plans:
    """Writes plans into an arena. row(address): of a decoded instruction."""

    def __init__(
        self, arena: NDArray[np.int64], row: Callable[[int], int], is_conditional: Callable[[Instruction], bool],
        read: Callable[[int, int], bytes],
    ) -> None:  # fmt: skip
        self._arena, self._row, self._read = arena, row, read
        self._is_conditional = is_conditional
        self._known: dict[tuple[int, int], int] = {}
        arena[at.PLAN_NEXT] = at.PLANS

    def plan(self, address: int, size: int, block: list[Instruction]) -> None:
        """Make the plan of the block at an address the one that its first row names."""
        offset = self._known.get((address, size))
        if offset is None:
            steps = steps_of(block, self._matters, self._is_conditional, self._read)
            offset = self._known[address, size] = self._write(size, steps)
        self._arena[self._row(address) + at.R_PLAN] = offset

    def _matters(self, instruction: Instruction) -> bool:
        needs = int(self._arena[self._row(instruction.address) + at.R_NEEDS])
        return bool(needs & (at.NEED_ADDRESS | at.NEED_DIVIDE | at.NEED_SIGNED_DIVIDE))

    def _write(self, size: int, steps: list[Step]) -> int:
        """A plan's offset; one without steps where the arena has no room left."""
        m, offset = self._arena, int(self._arena[at.PLAN_NEXT])
        words = at.P_STEPS + at.STEP_WORDS * len(steps)
        if offset + words > at.PLANS + at.PLAN_WORDS - at.P_STEPS:
            steps, words = [], at.P_STEPS
        if offset + words > at.PLANS + at.PLAN_WORDS:
            return 0
        m[offset : offset + words] = 0
        m[offset + at.P_SIZE], m[offset + at.P_COUNT] = size, len(steps)
        for k, step in enumerate(steps):
            place = offset + at.P_STEPS + at.STEP_WORDS * k
            m[place + at.S_KIND] = step.kind | step.shift << 8 | step.first << 16 | step.second << 32
            m[place + at.S_CONSTANT] = REGISTER_IDS[step.constant] if step.kind == at.STEP_REGISTER else step.constant
            m[place + at.S_ROW] = self._row(step.instruction.address) if step.instruction else 0
        m[at.PLAN_NEXT] = offset + words
        return offset
