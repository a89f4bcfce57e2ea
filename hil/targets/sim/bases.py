"""What a register holds in mid-block, in terms of those at the block's entry: one plus a constant, or unknown."""

from __future__ import annotations

from collections.abc import Iterator

import capstone
from capstone import arm_const as cs

Known = tuple[int, int]  # register at the block's entry, constant added to it

NUMBERS = {cs.ARM_REG_R0 + n: n for n in range(13)} | {cs.ARM_REG_SP: 13, cs.ARM_REG_LR: 14, cs.ARM_REG_PC: 15}
_OTHER = -1  # a register of the FPU, or a special one
_DISASSEMBLER = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
_DISASSEMBLER.detail = True
_UP = {cs.ARM_INS_ADD: 1, cs.ARM_INS_SUB: -1, cs.ARM_INS_ADDW: 1, cs.ARM_INS_SUBW: -1}
_MULTIPLE = {cs.ARM_INS_LDM: 4, cs.ARM_INS_STM: 4, cs.ARM_INS_LDMDB: -4, cs.ARM_INS_STMDB: -4}


def known_bases(address: int, code: bytes) -> Iterator[tuple[int, dict[int, Known | None]]]:
    """For each instruction of a block: its address, and what is known of the registers written before it.

    A register that is not listed is as it was at the block's entry. Ends early where the code does not disassemble.
    """
    written: dict[int, Known | None] = {}
    for instruction in _DISASSEMBLER.disasm(code, address):
        yield instruction.address, dict(written)
        result = None if _is_conditional(instruction) else _result(instruction, written)
        for register in instruction.regs_access()[1]:
            if register in NUMBERS:
                written[NUMBERS[register]] = None
        if result:
            written[result[0]] = result[1]


def _is_conditional(instruction: capstone.CsInsn) -> bool:
    return instruction.cc not in (cs.ARM_CC_AL, cs.ARM_CC_INVALID)


def _result(instruction: capstone.CsInsn, written: dict[int, Known | None]) -> tuple[int, Known] | None:
    """The register that gets a base plus a constant, and which; None where no register does."""
    step = _base_step(instruction)
    if step is None:
        return None
    target, source, constant = step
    base = written.get(source, (source, 0))
    return (target, (base[0], base[1] + constant)) if base else None


def _base_step(instruction: capstone.CsInsn) -> tuple[int, int, int] | None:
    """(register written, register read, constant) of MOV, ADD, SUB and of a write-back."""
    operands = instruction.operands
    registers = [NUMBERS.get(operand.reg, _OTHER) for operand in operands if operand.type == cs.ARM_OP_REG]
    constants = [operand.imm for operand in operands if operand.type == cs.ARM_OP_IMM]
    if instruction.id in _MULTIPLE:
        base = registers[0]
        loaded = registers[1:]
        if base == _OTHER or not instruction.writeback or base in loaded:
            return None
        return base, base, _MULTIPLE[instruction.id] * len(loaded)
    if _OTHER in registers or not registers:
        return None
    if instruction.id in _UP and len(constants) == 1 and len(registers) in (1, 2):
        return registers[0], registers[-1], _UP[instruction.id] * constants[0]
    if instruction.id == cs.ARM_INS_MOV and len(operands) == 2 and len(registers) == 2 and not operands[1].shift.value:
        return registers[0], registers[1], 0
    return None
