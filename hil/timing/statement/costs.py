"""Base costs: the cycles an instruction spends in execute, before any rule about its neighbours."""

from __future__ import annotations

from dataclasses import dataclass

from hil.board.figures import DOCUMENTED, Figures
from hil.timing.statement.instruction import Instruction, Kind


@dataclass(frozen=True)
class BaseCost:
    """cycles + per_word * words while the rule is on, 1 without it."""

    rule: str
    cycles: int
    per_word: int = 0


# Kinds that are not here cost 1. Sources and confidence: the rule's entry in rules.CATALOGUE.
BASE_COSTS: dict[Kind, BaseCost] = {
    Kind.LOAD: BaseCost("load", 2),
    Kind.LOAD_PC: BaseCost("load", 2),
    Kind.TABLE_BRANCH: BaseCost("load", 2),
    Kind.LOAD_PAIR: BaseCost("pair", 3),
    Kind.STORE_PAIR: BaseCost("pair", 3),
    Kind.LOAD_MULTIPLE: BaseCost("multiple", 1, 1),
    Kind.STORE_MULTIPLE: BaseCost("multiple", 1, 1),
}
LOAD_DOUBLE = BaseCost("pair", 3)  # VLDR.64
STORE_DOUBLE = BaseCost("pair", 2)  # VSTR.64
STORE_REGISTER_OFFSET = BaseCost("store-register-offset", 2)


def base_cost(instruction: Instruction, rules: frozenset[str], figures: Figures = DOCUMENTED) -> int:
    """Cycles in execute, without what depends on the run (divide operands, alignment, waits)."""
    cost = _entry(instruction, figures)
    if cost is None or cost.rule not in rules:
        return 1
    return cost.cycles + cost.per_word * instruction.words


def cost_rule(instruction: Instruction) -> str | None:
    """The rule that gives an instruction its base cost; None where that is 1 anyway."""
    entry = _entry(instruction, DOCUMENTED)
    return entry.rule if entry else None


def _entry(instruction: Instruction, figures: Figures) -> BaseCost | None:
    if instruction.kind is Kind.LOAD and instruction.words == 2:
        return LOAD_DOUBLE
    if instruction.kind is Kind.STORE:
        if instruction.words == 2:
            return STORE_DOUBLE
        has_index = instruction.operand is not None and instruction.operand.index is not None
        return STORE_REGISTER_OFFSET if has_index else None
    if instruction.kind is Kind.FP_MULTIPLY_ADD:
        return BaseCost("fp-multicycle", figures.multiply_add)
    if instruction.kind is Kind.FP_DIVIDE:
        return BaseCost("fp-multicycle", figures.fp_divide)
    if instruction.kind is Kind.FP_MOVE:
        return BaseCost("fp-multicycle", figures.fp_pair_move if instruction.words == 2 else 1)
    if instruction.kind is Kind.SYSTEM:
        return BaseCost("system", figures.special_register if instruction.words == 2 else 1)
    return BASE_COSTS.get(instruction.kind)


def divide_cost(dividend: int, divisor: int, figures: Figures = DOCUMENTED) -> int:
    """Cycles of UDIV and SDIV on magnitudes: by how many bits longer the dividend is than the divisor."""
    extra_bits = dividend.bit_length() - divisor.bit_length()
    if divisor == 0 or extra_bits < 0:
        return figures.shortest_divide
    return min(figures.longest_divide, figures.equal_divide + extra_bits // figures.bits_a_divide_cycle)


def magnitude(word: int, is_signed: bool) -> int:
    """A 32-bit operand as the divider sees it."""
    return 0x1_0000_0000 - word if is_signed and word & 0x8000_0000 else word


def unaligned_cost(address: int, transfer_bytes: int, figures: Figures = DOCUMENTED) -> int:
    """Extra bus cycles of a single load or store that straddles its natural border."""
    if transfer_bytes == 4 and address & 3:
        return figures.odd_word if address & 1 else figures.unaligned_word
    return figures.odd_halfword if transfer_bytes == 2 and address & 1 else 0
