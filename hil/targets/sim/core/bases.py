"""What is known, in mid-block, of a register's two lowest bits, in terms of the registers at the block's entry.

Whether an access is word-aligned depends on its base modulo 4 alone, and compilers compute bases by adding, shifting
and multiplying: a sum of entry registers with coefficients modulo 4. An index times 12 or shifted by 2 has none left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import capstone
from capstone import arm_const as cs

REGISTERS = 16
NUMBERS = {cs.ARM_REG_R0 + n: n for n in range(13)} | {cs.ARM_REG_SP: 13, cs.ARM_REG_LR: 14, cs.ARM_REG_PC: 15}
_PC = 15
_DISASSEMBLER = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
_DISASSEMBLER.detail = True
_MULTIPLE = {cs.ARM_INS_LDM: 4, cs.ARM_INS_STM: 4, cs.ARM_INS_LDMDB: -4, cs.ARM_INS_STMDB: -4}
_ADD, _SUBTRACT = {cs.ARM_INS_ADD, cs.ARM_INS_ADDW}, {cs.ARM_INS_SUB, cs.ARM_INS_SUBW}


@dataclass(frozen=True)
class Residue:
    """A value modulo 4: a coefficient for each register at the block's entry, and a constant.

    copy_of: the entry register that the value is, all of its bits, where it is one.
    """

    coefficients: tuple[int, ...]
    constant: int = 0
    copy_of: int | None = None

    @staticmethod
    def of_register(number: int) -> Residue:
        """A register as it is at the entry."""
        return Residue(tuple(int(n == number) for n in range(REGISTERS)), 0, number)

    @staticmethod
    def of_constant(value: int) -> Residue:
        return Residue((0,) * REGISTERS, value & 3)

    def __add__(self, other: Residue) -> Residue:
        pairs = zip(self.coefficients, other.coefficients, strict=True)
        return Residue(tuple(a + b & 3 for a, b in pairs), self.constant + other.constant & 3)

    def times(self, factor: int) -> Residue:
        return Residue(tuple(c * factor & 3 for c in self.coefficients), self.constant * factor & 3)

    @property
    def is_constant(self) -> bool:
        return not any(self.coefficients)


@dataclass(frozen=True)
class Unknown:
    """A value of which nothing is known but the instruction that it comes from."""

    origin: int


Known = dict[int, Residue | Unknown]  # by register


def known_residues(address: int, code: bytes, word_at: Callable[[int], int | None]) -> Iterator[tuple[int, Known]]:
    """For each instruction of a block: its address, and what is known of all registers before it.

    word_at gives a constant of the program (a literal), or None. Ends early where the code does not disassemble.
    """
    known: Known = {n: Residue.of_register(n) for n in range(REGISTERS)}
    known[_PC] = Unknown(address)  # reads as another address at each instruction
    for instruction in _DISASSEMBLER.disasm(code, address):
        yield instruction.address, dict(known)
        results = {} if _is_conditional(instruction) else _results(instruction, known, word_at)
        for register in instruction.regs_access()[1]:
            if register in NUMBERS:
                known[NUMBERS[register]] = Unknown(instruction.address)
        known.update({register: value for register, value in results.items() if value})


def _is_conditional(instruction: capstone.CsInsn) -> bool:
    return instruction.cc not in (cs.ARM_CC_AL, cs.ARM_CC_INVALID)


Results = dict[int, Residue | None]


def _results(instruction: capstone.CsInsn, known: Known, word_at: Callable[[int], int | None]) -> Results:
    """The registers of which the instruction leaves something known."""
    operands = instruction.operands
    if not operands or operands[0].type != cs.ARM_OP_REG or operands[0].reg not in NUMBERS:
        return {}
    target = NUMBERS[operands[0].reg]
    if instruction.id in _MULTIPLE:
        return _written_back(instruction, target, known)
    if any(operand.type == cs.ARM_OP_MEM for operand in operands):
        return _after_access(instruction, target, known, word_at)
    sources = [_value(operand, known) for operand in operands[1:]]
    old = known[target]
    before = old if isinstance(old, Residue) else None
    if None in sources or not sources:
        return {}
    return {target: _computed(instruction.id, before, [source for source in sources if source])}


def _written_back(instruction: capstone.CsInsn, base: int, known: Known) -> Results:
    """LDM and STM: the base, moved by whole words."""
    loaded = [NUMBERS.get(operand.reg) for operand in instruction.operands[1:]]
    value = known[base]
    if not isinstance(value, Residue) or base in loaded or not instruction.writeback:
        return {}
    return {base: Residue(value.coefficients, value.constant)}


def _after_access(
    instruction: capstone.CsInsn, target: int, known: Known, word_at: Callable[[int], int | None]
) -> Results:
    """LDR, STR and their relatives: a literal loaded, a base moved by a constant."""
    results: Results = {}
    if instruction.id == cs.ARM_INS_LDR:
        results[target] = _literal(instruction, word_at)
    operand = next(operand for operand in instruction.operands if operand.type == cs.ARM_OP_MEM)
    base = NUMBERS.get(operand.mem.base)
    value = None if base is None else known[base]
    if base is not None and isinstance(value, Residue) and instruction.writeback and not operand.mem.index:
        after = sum(each.imm for each in instruction.operands if each.type == cs.ARM_OP_IMM)  # post-indexed
        results[base] = value + Residue.of_constant(operand.mem.disp + after)
    return results


def _literal(instruction: capstone.CsInsn, word_at: Callable[[int], int | None]) -> Residue | None:
    memory = instruction.operands[1].mem
    if NUMBERS.get(memory.base) != _PC or memory.index:
        return None
    word = word_at((instruction.address + 4 & ~3) + memory.disp)
    return None if word is None else Residue.of_constant(word)


def _value(operand: capstone.arm.ArmOp, known: Known) -> Residue | None:
    """What is known of an operand; shifts to the right lose everything."""
    if operand.type == cs.ARM_OP_IMM:
        return Residue.of_constant(operand.imm)
    if operand.type != cs.ARM_OP_REG or operand.reg not in NUMBERS:
        return None
    value = known[NUMBERS[operand.reg]]
    if not isinstance(value, Residue):
        return None
    if operand.shift.type == cs.ARM_SFT_INVALID:
        return value
    return value.times(1 << operand.shift.value) if operand.shift.type == cs.ARM_SFT_LSL else None


def _computed(operation: int, before: Residue | None, sources: list[Residue]) -> Residue | None:
    """The result of an operation, with the target's old value as the first source where the assembler leaves it out."""
    if operation in (cs.ARM_INS_MOV, cs.ARM_INS_MOVW) and len(sources) == 1:
        return sources[0]
    if operation == cs.ARM_INS_MOVT:
        return before and Residue(before.coefficients, before.constant)
    if len(sources) == 1:
        if before is None:
            return None
        sources = [before, *sources]
    first, second = sources[:2]
    if operation in _ADD:
        return first + second
    if operation in _SUBTRACT:
        return first + second.times(-1)
    if operation == cs.ARM_INS_RSB:
        return second + first.times(-1)
    if operation == cs.ARM_INS_MUL:
        return _product(first, second)
    if operation in (cs.ARM_INS_MLA, cs.ARM_INS_MLS) and len(sources) == 3:
        product = _product(first, second)
        return product and sources[2] + product.times(1 if operation == cs.ARM_INS_MLA else -1)
    return None


def _product(first: Residue, second: Residue) -> Residue | None:
    if first.is_constant:
        return second.times(first.constant)
    return first.times(second.constant) if second.is_constant else None
