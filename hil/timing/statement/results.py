"""What an instruction leaves in a register, where that is a sum of registers: to tell addresses before code runs."""

from __future__ import annotations

import capstone
from capstone import arm_const as arm

from hil.timing.statement.instruction import FIRST_S_REGISTER, PC, Sum

NUMBERS = (
    {arm.ARM_REG_R0 + n: n for n in range(13)}
    | {arm.ARM_REG_SP: 13, arm.ARM_REG_LR: 14, arm.ARM_REG_PC: 15}
    | {arm.ARM_REG_S0 + n: FIRST_S_REGISTER + n for n in range(32)}
)
_ADD, _SUBTRACT = (arm.ARM_INS_ADD, arm.ARM_INS_ADDW), (arm.ARM_INS_SUB, arm.ARM_INS_SUBW)
_EXTENDED = {
    arm.ARM_INS_UXTB: (8, False), arm.ARM_INS_UXTH: (16, False),
    arm.ARM_INS_SXTB: (8, True), arm.ARM_INS_SXTH: (16, True),
}  # fmt: skip
_NEAR = (arm.ARM_INS_AND, arm.ARM_INS_BIC, arm.ARM_INS_ORR, arm.ARM_INS_EOR)  # stay near their first operand


def result_of(instruction: capstone.CsInsn) -> Sum | None:
    """The sum that an instruction computes; None where it computes none, or an address could not be told from it."""
    operands = list(instruction.operands)
    if len(operands) < 2 or any(x.type not in (arm.ARM_OP_REG, arm.ARM_OP_IMM) for x in operands):
        return None
    target = NUMBERS.get(operands[0].reg) if operands[0].type == arm.ARM_OP_REG else None
    if target is None or any(x.type == arm.ARM_OP_REG and x.reg not in NUMBERS for x in operands):
        return None
    first, last = operands[1], operands[-1]
    operation = instruction.id
    if operation in (arm.ARM_INS_MOV, arm.ARM_INS_MOVW, arm.ARM_INS_VMOV) and len(operands) == 2:
        return _copy(target, first)
    if operation == arm.ARM_INS_MOVT:
        return Sum(target, base=target, constant=last.imm << 16, keeps_low=True)
    if operation == arm.ARM_INS_ADR:
        return Sum(target, constant=_pc(instruction) + last.imm)
    if operation == arm.ARM_INS_MLA:  # an index times a stride, added to an array's start
        return Sum(target, base=NUMBERS[last.reg], is_exact=False)
    bounds = _bounds(instruction)
    if bounds:
        return Sum(target, least=bounds[0], most=bounds[1])
    if len(operands) == 2:  # ADDS r0, #4
        first = operands[0]
    if first.type != arm.ARM_OP_REG:
        return None
    if operation in _ADD or operation in _SUBTRACT:
        return _sum(instruction, target, NUMBERS[first.reg], last)
    if operation == arm.ARM_INS_LSL and last.type == arm.ARM_OP_IMM:
        return Sum(target, index=NUMBERS[first.reg], shift=last.imm)
    return Sum(target, base=NUMBERS[first.reg], is_exact=False) if operation in _NEAR else None


def bounds_of(bits: int, is_signed: bool) -> tuple[int, int]:
    """The least and the most that so many bits hold."""
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if is_signed else (0, (1 << bits) - 1)


def _bounds(instruction: capstone.CsInsn) -> tuple[int, int] | None:
    """Between what a result lies, whatever the operands."""
    numbers = [x.imm for x in instruction.operands if x.type == arm.ARM_OP_IMM]
    operation = instruction.id
    if operation in _EXTENDED:
        return bounds_of(*_EXTENDED[operation])
    if not numbers:
        return None
    if operation in (arm.ARM_INS_SSAT, arm.ARM_INS_USAT):
        return bounds_of(numbers[0], operation == arm.ARM_INS_SSAT)
    if operation in (arm.ARM_INS_UBFX, arm.ARM_INS_SBFX):
        return bounds_of(numbers[-1], operation == arm.ARM_INS_SBFX)
    if operation == arm.ARM_INS_LSR:
        return bounds_of(32 - numbers[-1], False)
    if operation == arm.ARM_INS_AND and 0 <= numbers[-1] < 1 << 16:
        return 0, numbers[-1]
    return None


def _pc(instruction: capstone.CsInsn) -> int:
    return int(instruction.address) + 4 & ~3


def _copy(target: int, source: capstone.arm.ArmOp) -> Sum:
    if source.type == arm.ARM_OP_IMM:
        return Sum(target, constant=source.imm)
    return Sum(target, base=NUMBERS[source.reg], is_exact=source.shift.type == arm.ARM_SFT_INVALID)


def _sum(instruction: capstone.CsInsn, target: int, base: int, last: capstone.arm.ArmOp) -> Sum:
    sign = 1 if instruction.id in _ADD else -1
    if last.type == arm.ARM_OP_IMM:
        if base == PC:
            return Sum(target, constant=_pc(instruction) + sign * last.imm)
        return Sum(target, base=base, constant=sign * last.imm)
    if sign > 0 and last.shift.type in (arm.ARM_SFT_INVALID, arm.ARM_SFT_LSL):
        return Sum(target, base=base, index=NUMBERS[last.reg], shift=last.shift.value)
    return Sum(target, base=base, is_exact=False)
