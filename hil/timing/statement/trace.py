"""A run recorded instruction by instruction, for the readable pipeline: slow and exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hil.timing.statement.decode import Decoder
from hil.timing.statement.instruction import PC, Executed, Instruction, Kind

Register = Callable[[int], int]


def effective_address(instruction: Instruction, register: Register) -> int | None:
    """Where a load or store accesses memory while register(n) is Rn; None for an instruction without memory operand."""
    operand = instruction.operand
    if operand is None:
        return None
    base = instruction.address + 4 & ~3 if operand.base == PC else register(operand.base)
    index = register(operand.index) << operand.shift if operand.index is not None else 0
    return base + index + operand.offset & 0xFFFF_FFFF


class Recorder:
    """Collects what executes; instructions whose IT condition failed, which no hook reports, are put back."""

    def __init__(self, decoder: Decoder, register: Register) -> None:
        self._decoder, self._register = decoder, register
        self._seen: list[tuple[Instruction, int | None, tuple[int, int] | None]] = []

    def on_instruction(self, address: int) -> None:
        """The instruction at an address is about to execute."""
        instruction = self._decoder.at(address)
        operands = None
        if instruction.divide:
            operands = self._register(instruction.divide[0]), self._register(instruction.divide[1])
        self._seen.append((instruction, effective_address(instruction, self._register), operands))

    def steps(self, end: int) -> list[Executed]:
        """The run so far, which went on to the address `end`."""
        return list(self._filled(end))

    def _filled(self, end: int) -> Iterator[Executed]:
        followers = [instruction.address for instruction, *_ in self._seen[1:]] + [end]
        covered = 0
        for (instruction, address, operands), following in zip(self._seen, followers, strict=True):
            covered = instruction.covers if instruction.kind is Kind.IT else max(0, covered - 1)
            skipped: list[Instruction] = []
            at = instruction.end
            while len(skipped) < covered and at != following:
                skipped.append(self._decoder.at(at))
                at = skipped[-1].end
            if at != following:  # a branch out of the IT block
                skipped, at = [], following
            covered -= len(skipped)
            yield Executed(instruction, skipped[0].address if skipped else following, address, operands)
            for k, failed in enumerate(skipped):
                follows = skipped[k + 1].address if k + 1 < len(skipped) else following
                yield Executed(failed, follows, passed=False)
