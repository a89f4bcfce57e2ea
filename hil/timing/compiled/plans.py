"""Plans: the steps of hil.timing.compiled.addresses as words of the arena, one plan for each block that has run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from unicorn import arm_const

from hil.timing.compiled import layout as at
from hil.timing.compiled.addresses import ZERO, Step, needed, steps_of
from hil.timing.compiled.rows import REGISTERS
from hil.timing.statement.instruction import Instruction, Kind

REGISTER_IDS = [*REGISTERS, *(arm_const.UC_ARM_REG_S0 + n for n in range(32))]  # by the bits of masks
FIRST_FLOAT = len(REGISTERS)
_TURNS = {at.STEP_RANGE: 1, at.STEP_ACCESS: 2, at.STEP_DIVIDE: 2}
_DIVIDES = at.NEED_DIVIDE | at.NEED_SIGNED_DIVIDE
_TOLD = at.NEED_ADDRESS | at.NEED_DIVIDE | at.NEED_SIGNED_DIVIDE


@dataclass
class _Known:
    offset: int
    block: tuple[Instruction, ...]
    has_ranges: bool = True  # False: an access once was out of its range


class Plans:
    """Writes plans into an arena. row(address): of a decoded instruction.

    is_exact: the full model, in which a code hook looks at what the entry does not tell exactly and at all that comes
    after it in the block, for the flash's caches want accesses in order.
    """

    def __init__(
        self, arena: NDArray[np.int64], row: Callable[[int], int], is_conditional: Callable[[Instruction], bool],
        read: Callable[[int, int], bytes], is_exact: bool,
    ) -> None:  # fmt: skip
        self._arena, self._row, self._read, self._is_exact = arena, row, read, is_exact
        self._is_conditional = is_conditional
        self._known: dict[tuple[int, int], _Known] = {}
        arena[at.PLAN_NEXT] = at.PLANS
        self.may_hook = False  # in the fast model: hooks can be added to single instructions

    def plan(self, address: int, size: int, block: tuple[Instruction, ...]) -> None:
        """Make the plan of the block at an address the one that its first row names."""
        known = self._known.get((address, size))
        if known is None:
            known = self._known[address, size] = _Known(0, block)
            steps, looked_from = self._steps(known)
            known.offset = self._room(steps)
            if known.offset:
                self._write(known.offset, address, size, steps, looked_from)
        self._arena[self._row(address) + at.R_PLAN] = known.offset

    def offsets(self) -> NDArray[np.int64]:
        """Of all plans there are."""
        return np.array([known.offset for known in self._known.values() if known.offset], np.int64)

    def change(self, pc: int) -> Iterator[tuple[int, int]]:
        """The instruction at pc has to be looked at, which it had not. Yields the blocks that it is in."""
        for (address, size), known in self._known.items():
            if known.offset and address <= pc < address + size:
                self._write(known.offset, address, size, *self._steps(known))  # not longer than it was
                yield address, address + size

    def leave_ranges(self, address: int, size: int) -> None:
        """An access of a block may go to one of two slaves, or to flash: it has to be looked at from now on."""
        known = self._known[address, size]
        known.has_ranges = False
        self._write(known.offset, address, size, *self._steps(known))

    def looked_at(self, address: int, size: int) -> list[int]:
        """In the fast model: the instructions of a block that a hook has to look at each time."""
        known = self._known[address, size]
        return self._looked_at(known, self._steps(known)[0])

    def _looked_at(self, known: _Known, steps: list[Step]) -> list[int]:
        """What is under an IT and costs less where its condition fails, and divides whose operands are not known."""
        if not self.may_hook:
            return []
        told = {step.instruction.address for step in steps if step.instruction and step.is_exact}
        return [
            one.address
            for one in known.block
            if self._needs(one) & at.NEED_PASSED or (self._needs(one) & _DIVIDES and one.address not in told)
        ]

    def _steps(self, known: _Known) -> tuple[list[Step], int]:
        """A block's steps, and the address from which on its instructions have to be looked at."""
        block = known.block
        steps = steps_of(block, lambda one: bool(self._needs(one) & _TOLD), self._is_conditional, self._read)
        if not self._is_exact:
            return steps, 0 if self._looked_at(known, steps) else block[-1].end
        usable = [step for step in steps if step.is_exact and (known.has_ranges or step.kind != at.STEP_RANGE)]
        told = {step.instruction.address for step in usable if step.instruction}
        its_it: Instruction | None = None
        for one in block:
            its_it = one if one.kind is Kind.IT else its_it
            needs = self._needs(one)
            if needs & ~_TOLD or needs and one.address not in told:
                first = its_it.address if self._is_conditional(one) and its_it else one.address
                return _ranges_first(_before(steps, first)), first
        return _ranges_first(steps), block[-1].end

    def _needs(self, instruction: Instruction) -> int:
        return int(self._arena[self._row(instruction.address) + at.R_NEEDS])

    def _room(self, steps: list[Step]) -> int:
        """Where a plan may go; 0 where the arena has no room left."""
        m, offset = self._arena, int(self._arena[at.PLAN_NEXT])
        words = at.P_STEPS + (at.STEP_WORDS + 1) * len(steps)
        words += -words % at.LINE_WORDS
        if offset + words > at.PLANS + at.PLAN_WORDS:
            return 0
        m[at.PLAN_NEXT] = offset + words
        return offset

    def _write(self, offset: int, address: int, size: int, steps: list[Step], looked_from: int) -> None:
        m = self._arena
        m[offset : offset + at.P_STEPS] = 0
        m[offset + at.P_START], m[offset + at.P_SIZE], m[offset + at.P_COUNT] = address, size, len(steps)
        m[offset + at.P_FROM] = looked_from
        m[offset + at.P_PATIENCE] = at.PATIENCE
        m[offset + at.P_WANTS_HOOKS] = self.may_hook and looked_from == 0
        m[offset + at.P_ROOTS] = sum(step.kind not in _TURNS for step in steps) if self._is_exact else 0
        m[offset + at.P_RANGES] = max((k + 1 for k, step in enumerate(steps) if step.kind == at.STEP_RANGE), default=0)
        for place, step in self._places(offset, steps):
            is_register = step.kind == at.STEP_REGISTER
            kind, constant = self._register(step.constant) if is_register else (step.kind, step.constant)
            m[place + at.S_KIND] = kind | step.shift << 8 | step.first << 16 | step.second << 32
            m[place + at.S_CONSTANT] = constant
            m[place + at.S_ROW] = self._row(step.instruction.address) if step.instruction else 0
            m[place + at.S_SPAN], m[place + at.S_VALUE] = step.span, 0

    def _register(self, number: int) -> tuple[int, int]:
        """Kind and constant of a step that reads a register: where it is, if that is known."""
        core, floats = (int(self._arena[word]) for word in (at.CORE_REGISTERS, at.FLOAT_REGISTERS))
        if not core:
            return at.STEP_REGISTER, REGISTER_IDS[number]
        return at.STEP_PLACE, core + 4 * number if number < FIRST_FLOAT else floats + 4 * (number - FIRST_FLOAT)

    @staticmethod
    def _places(offset: int, steps: list[Step]) -> Iterator[tuple[int, Step]]:
        for k, step in enumerate(steps):
            yield offset + at.P_STEPS + at.STEP_WORDS * k, step


def _before(steps: list[Step], address: int) -> list[Step]:
    """The steps for what comes before an address, and what they come of."""
    return needed([step for step in steps if not step.instruction or step.instruction.address < address])


def _ranges_first(steps: list[Step]) -> list[Step]:
    """Roots, then what changes nothing, then what uses the data cache or open rows; each in order."""
    order = sorted(range(len(steps)), key=lambda k: _TURNS.get(steps[k].kind, 0))
    places = {k: place for place, k in enumerate(order)} | {ZERO: ZERO}
    return [replace(steps[k], first=places[steps[k].first], second=places[steps[k].second]) for k in order]
