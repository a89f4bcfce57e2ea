"""Where a block's accesses will go, told from the registers at its entry.

Compilers and people compute addresses by adding, shifting and copying: most are a sum of registers as they are when the
block is entered. A block's instructions are followed once, with every register held as a slot, something known at the
entry, plus a constant; what comes out is a list of steps that a hook takes each time (hil.timing.compiled.accesses).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from hil.timing.compiled import layout as at
from hil.timing.statement.flash import is_flash
from hil.timing.statement.instruction import PC, Instruction, MemoryOperand, Sum

ZERO = at.SLOT_COUNT - 1  # the slot that is always 0
_MOST = at.SLOT_COUNT - 2
_WORD = 0xFFFF_FFFF


@dataclass(frozen=True)
class Step:
    """value = first + (second << shift) + constant, of slots; the step's own number is the slot it fills.

    kind: at.STEP_REGISTER (constant: the register's number), STEP_SUM, STEP_WORD (the word at that address),
    STEP_ACCESS (at that address), STEP_RANGE (between it and `span` bytes on) or STEP_DIVIDE (first by second).
    instruction: what accesses or divides. is_exact: False where the value may be a little off, or come of memory that
    the block itself has changed.
    """

    kind: int
    first: int = ZERO
    second: int = ZERO
    shift: int = 0
    constant: int = 0
    instruction: Instruction | None = None
    is_exact: bool = True
    span: int = 0


@dataclass(frozen=True)
class _Held:
    """What a register holds: a slot's value, a constant, and something unknown from 0 to span, a multiple of grain."""

    slot: int
    constant: int = 0
    is_exact: bool = True
    span: int = 0
    grain: int = 4

    @property
    def is_constant(self) -> bool:
        return self.slot == ZERO and self.is_exact and not self.span


def steps_of(
    block: Iterable[Instruction],
    matters: Callable[[Instruction], bool],
    is_conditional: Callable[[Instruction], bool],
    read: Callable[[int, int], bytes],
) -> list[Step]:
    """The steps for those accesses and divides of a block that matter, as far as its entry tells them.

    read(address, size): bytes of memory; only those of flash are taken to stay.
    """
    followed = _Followed(read)
    for instruction in block:
        if matters(instruction):
            followed.tell(instruction)
        followed.execute(instruction, is_conditional(instruction))
    return needed(followed.steps)


class _Followed:
    """The registers while a block is followed. A register not in `held` is as it was at the entry."""

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        self.steps: list[Step] = []
        self._held: dict[int, _Held | None] = {}
        self._read = read

    def tell(self, instruction: Instruction) -> None:
        """Add a step for an access or a divide, if it can be told."""
        if instruction.divide:
            dividend, divisor = (self._plain(self._of(number)) for number in instruction.divide)
            if dividend and divisor:
                is_exact = dividend.is_exact and divisor.is_exact
                self._step(Step(at.STEP_DIVIDE, dividend.slot, divisor.slot, 0, 0, instruction, is_exact))
        elif instruction.operand:
            address = self._address(instruction, instruction.operand)
            if address:
                kind = at.STEP_RANGE if address.span else at.STEP_ACCESS
                is_exact = address.is_exact and address.grain >= instruction.operand.bytes
                self._step(Step(kind, address.slot, ZERO, 0, address.constant, instruction, is_exact, address.span))

    def execute(self, instruction: Instruction, is_conditional: bool) -> None:
        """Note what the instruction leaves in the registers it writes."""
        made: dict[int, _Held | None] = {n: None for n in range(48) if instruction.writes >> n & 1}
        operand = instruction.operand
        if operand and instruction.step:
            base = self._of(operand.base)
            made[operand.base] = base and replace(base, constant=base.constant + instruction.step & _WORD)
        if operand and instruction.moved:
            made |= self._loaded(instruction, operand)
        if instruction.result:
            made[instruction.result.target] = self._computed(instruction.result, instruction.address)
        if is_conditional:
            made = {number: value and replace(value, is_exact=False) for number, value in made.items()}
        self._held |= made

    def _of(self, number: int) -> _Held | None:
        if number not in self._held:
            self._held[number] = self._step(Step(at.STEP_REGISTER, constant=number))
        return self._held[number]

    def _step(self, step: Step) -> _Held | None:
        """Add a step; None where a plan has no room for more."""
        if len(self.steps) >= _MOST:
            return None
        self.steps.append(step)
        return _Held(len(self.steps) - 1, 0, step.is_exact)

    def _plain(self, held: _Held | None) -> _Held | None:
        """A value as a slot without a constant."""
        if held is None or held.span:
            return None
        if not held.constant:
            return held
        return self._step(Step(at.STEP_SUM, held.slot, constant=held.constant, is_exact=held.is_exact))

    def _address(self, instruction: Instruction, operand: MemoryOperand) -> _Held | None:
        base = _Held(ZERO, instruction.address + 4 & ~3) if operand.base == PC else self._of(operand.base)
        if operand.index is None:
            return base and replace(base, constant=base.constant + operand.offset & _WORD)
        return self._sum(base, self._of(operand.index), operand.shift, operand.offset)

    def _sum(self, base: _Held | None, index: _Held | None, shift: int, constant: int) -> _Held | None:
        """base + (index << shift) + constant; where one of the two is not known, near the other."""
        if index is None:
            return base and replace(base, constant=base.constant + constant & _WORD, is_exact=False)
        if base is None:
            return None if shift else replace(index, constant=index.constant + constant & _WORD, is_exact=False)
        constant = base.constant + (index.constant << shift) + constant & _WORD
        is_exact = base.is_exact and index.is_exact
        span, grain = base.span + (index.span << shift), min(base.grain, index.grain << shift, 4)
        if index.slot == ZERO:
            return _Held(base.slot, constant, is_exact, span, grain)
        if base.slot == ZERO and not shift:
            return _Held(index.slot, constant, is_exact, span, grain)
        made = self._step(Step(at.STEP_SUM, base.slot, index.slot, shift, constant, None, is_exact))
        return made and replace(made, span=span, grain=grain)

    def _computed(self, result: Sum, address: int) -> _Held | None:
        if result.most > result.least:
            return _Held(ZERO, result.least & _WORD, True, result.most - result.least, 1)
        zero = _Held(ZERO)
        base = zero if result.base is None else self._of(result.base)
        if result.keeps_low:
            low = base.constant & 0xFFFF if base and base.is_constant else 0
            return _Held(ZERO, result.constant | low, base is not None and base.is_constant)
        if result.index is None:
            made = base and replace(base, constant=base.constant + result.constant & _WORD)
        else:
            made = self._sum(base, self._of(result.index), result.shift, result.constant)
        return made if made is None or result.is_exact else replace(made, is_exact=False)

    def _loaded(self, instruction: Instruction, operand: MemoryOperand) -> dict[int, _Held | None]:
        """The registers that words are loaded into: what memory holds there when the block is entered."""
        address = self._address(instruction, operand)
        if address and address.span:  # some word of a table
            address = None
        loaded: dict[int, _Held | None] = {}
        for k, number in enumerate(instruction.moved):
            place = address and replace(address, constant=address.constant + 4 * k & _WORD)
            if place and place.is_constant and is_flash(place.constant):
                loaded[number] = _Held(ZERO, int.from_bytes(self._read(place.constant, 4), "little"))
            elif place:
                loaded[number] = self._step(Step(at.STEP_WORD, place.slot, constant=place.constant, is_exact=False))
        return loaded


def needed(steps: list[Step]) -> list[Step]:
    """Those that accesses and divides come of, renumbered."""
    used: set[int] = set()
    for number in range(len(steps) - 1, -1, -1):
        if steps[number].instruction or number in used:
            used |= {number, steps[number].first, steps[number].second}
    places = {number: k for k, number in enumerate(sorted(used - {ZERO}))} | {ZERO: ZERO}
    return [
        replace(step, first=places[step.first], second=places[step.second])
        for number, step in enumerate(steps)
        if number in used
    ]
