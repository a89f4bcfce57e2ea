"""Base costs: the cycles an instruction spends in execute, before any rule about its neighbours."""

from __future__ import annotations

from dataclasses import dataclass

from hil.timing.instruction import Instruction, Kind


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
    Kind.FP_MULTIPLY_ADD: BaseCost("fp-multicycle", 3),
    Kind.FP_DIVIDE: BaseCost("fp-multicycle", 14),
    Kind.FP_MOVE: BaseCost("fp-multicycle", 0, 1),
    Kind.SYSTEM: BaseCost("system", 0, 1),
}
LOAD_DOUBLE = BaseCost("pair", 3)  # VLDR.64
STORE_DOUBLE = BaseCost("pair", 2)  # VSTR.64
STORE_REGISTER_OFFSET = BaseCost("store-register-offset", 2)

SHORTEST_DIVIDE, LONGEST_DIVIDE = 2, 12
UNKNOWN_DIVIDE = 7  # operands not recorded: the middle
TWO_MOD_FOUR, ODD = 1, 2  # extra cycles of an unaligned word


def base_cost(instruction: Instruction, rules: frozenset[str]) -> int:
    """Cycles in execute, without what depends on the run (divide operands, alignment, waits)."""
    cost = _entry(instruction)
    if cost is None or cost.rule not in rules:
        return 1
    return cost.cycles + cost.per_word * instruction.words


def cost_rule(instruction: Instruction) -> str | None:
    """The rule that gives an instruction its base cost; None where that is 1 anyway."""
    entry = _entry(instruction)
    return entry.rule if entry else None


def _entry(instruction: Instruction) -> BaseCost | None:
    if instruction.kind is Kind.LOAD and instruction.words == 2:
        return LOAD_DOUBLE
    if instruction.kind is Kind.STORE:
        if instruction.words == 2:
            return STORE_DOUBLE
        has_index = instruction.operand is not None and instruction.operand.index is not None
        return STORE_REGISTER_OFFSET if has_index else None
    return BASE_COSTS.get(instruction.kind)


def divide_cost(dividend: int, divisor: int) -> int:
    """Cycles of UDIV and SDIV on magnitudes: by how many bits longer the dividend is than the divisor."""
    extra_bits = dividend.bit_length() - divisor.bit_length()
    if divisor == 0 or extra_bits < 0:
        return SHORTEST_DIVIDE
    return min(LONGEST_DIVIDE, SHORTEST_DIVIDE + 1 + extra_bits // 4)


def magnitude(word: int, is_signed: bool) -> int:
    """A 32-bit operand as the divider sees it."""
    return 0x1_0000_0000 - word if is_signed and word & 0x8000_0000 else word


def unaligned_cost(address: int, transfer_bytes: int) -> int:
    """Extra bus cycles of a single load or store that straddles its natural border."""
    if transfer_bytes == 4 and address & 3:
        return ODD if address & 1 else TWO_MOD_FOUR
    return 1 if transfer_bytes == 2 and address & 1 else 0
