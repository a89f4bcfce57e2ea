"""From bytes to Instruction, through capstone: with results.py the one place that knows capstone's names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import capstone
from capstone import arm_const as arm

from hil.errors import HilError
from hil.timing.statement.instruction import FIRST_S_REGISTER, PC, SP, Instruction, Kind, MemoryOperand, Sum
from hil.timing.statement.results import NUMBERS, bounds_of, result_of

_SINGLE_BYTES = {
    arm.ARM_INS_LDR: 4, arm.ARM_INS_LDRB: 1, arm.ARM_INS_LDRH: 2, arm.ARM_INS_LDRSB: 1, arm.ARM_INS_LDRSH: 2,
    arm.ARM_INS_LDRT: 4, arm.ARM_INS_LDRBT: 1, arm.ARM_INS_LDRHT: 2, arm.ARM_INS_LDRSBT: 1, arm.ARM_INS_LDRSHT: 2,
    arm.ARM_INS_LDREX: 4, arm.ARM_INS_LDREXB: 1, arm.ARM_INS_LDREXH: 2, arm.ARM_INS_VLDR: 4,
    arm.ARM_INS_STR: 4, arm.ARM_INS_STRB: 1, arm.ARM_INS_STRH: 2,
    arm.ARM_INS_STRT: 4, arm.ARM_INS_STRBT: 1, arm.ARM_INS_STRHT: 2,
    arm.ARM_INS_STREX: 4, arm.ARM_INS_STREXB: 1, arm.ARM_INS_STREXH: 2, arm.ARM_INS_VSTR: 4,
}  # fmt: skip
_KINDS = {
    arm.ARM_INS_LDRD: Kind.LOAD_PAIR, arm.ARM_INS_STRD: Kind.STORE_PAIR,
    arm.ARM_INS_LDM: Kind.LOAD_MULTIPLE, arm.ARM_INS_LDMDB: Kind.LOAD_MULTIPLE, arm.ARM_INS_POP: Kind.LOAD_MULTIPLE,
    arm.ARM_INS_VLDMIA: Kind.LOAD_MULTIPLE, arm.ARM_INS_VLDMDB: Kind.LOAD_MULTIPLE,
    arm.ARM_INS_VPOP: Kind.LOAD_MULTIPLE,
    arm.ARM_INS_STM: Kind.STORE_MULTIPLE, arm.ARM_INS_STMDB: Kind.STORE_MULTIPLE, arm.ARM_INS_PUSH: Kind.STORE_MULTIPLE,
    arm.ARM_INS_VSTMIA: Kind.STORE_MULTIPLE, arm.ARM_INS_VSTMDB: Kind.STORE_MULTIPLE,
    arm.ARM_INS_VPUSH: Kind.STORE_MULTIPLE,
    arm.ARM_INS_BL: Kind.BRANCH, arm.ARM_INS_CBZ: Kind.COMPARE_BRANCH, arm.ARM_INS_CBNZ: Kind.COMPARE_BRANCH,
    arm.ARM_INS_BX: Kind.BRANCH_REGISTER, arm.ARM_INS_BLX: Kind.BRANCH_REGISTER,
    arm.ARM_INS_TBB: Kind.TABLE_BRANCH, arm.ARM_INS_TBH: Kind.TABLE_BRANCH,
    arm.ARM_INS_UDIV: Kind.DIVIDE, arm.ARM_INS_SDIV: Kind.DIVIDE, arm.ARM_INS_IT: Kind.IT,
    arm.ARM_INS_VDIV: Kind.FP_DIVIDE, arm.ARM_INS_VSQRT: Kind.FP_DIVIDE,
    arm.ARM_INS_VMLA: Kind.FP_MULTIPLY_ADD, arm.ARM_INS_VMLS: Kind.FP_MULTIPLY_ADD,
    arm.ARM_INS_VNMLA: Kind.FP_MULTIPLY_ADD, arm.ARM_INS_VNMLS: Kind.FP_MULTIPLY_ADD,
    arm.ARM_INS_VFMA: Kind.FP_MULTIPLY_ADD, arm.ARM_INS_VFMS: Kind.FP_MULTIPLY_ADD,
    arm.ARM_INS_VFNMA: Kind.FP_MULTIPLY_ADD, arm.ARM_INS_VFNMS: Kind.FP_MULTIPLY_ADD,
    arm.ARM_INS_VADD: Kind.FP_ARITHMETIC, arm.ARM_INS_VSUB: Kind.FP_ARITHMETIC, arm.ARM_INS_VMUL: Kind.FP_ARITHMETIC,
    arm.ARM_INS_VNMUL: Kind.FP_ARITHMETIC, arm.ARM_INS_VCVT: Kind.FP_ARITHMETIC, arm.ARM_INS_VCVTR: Kind.FP_ARITHMETIC,
    arm.ARM_INS_VCVTB: Kind.FP_ARITHMETIC, arm.ARM_INS_VCVTT: Kind.FP_ARITHMETIC,
    arm.ARM_INS_DSB: Kind.BARRIER, arm.ARM_INS_DMB: Kind.BARRIER, arm.ARM_INS_ISB: Kind.BARRIER,
    arm.ARM_INS_MRS: Kind.SYSTEM, arm.ARM_INS_MSR: Kind.SYSTEM, arm.ARM_INS_CPS: Kind.SYSTEM,
}  # fmt: skip
_DOUBLE = range(arm.ARM_REG_D0, arm.ARM_REG_D0 + 16)
_MOVES = (Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE)


class UndecodableError(HilError):
    """The bytes at an address are no instruction of a Cortex-M4."""


def _mask(registers: list[int]) -> int:
    """Bits of the registers that the pipeline rules know; flags and the like have none."""
    mask = 0
    for register in registers:
        if register in NUMBERS:
            mask |= 1 << NUMBERS[register]
        elif register in _DOUBLE:
            mask |= 3 << (FIRST_S_REGISTER + 2 * (register - arm.ARM_REG_D0))
    return mask


class Decoder:
    """Decodes one instruction at a time, whatever an IT before it says, and keeps what it decoded."""

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        """read(address, size): the bytes at an address; fewer where memory ends."""
        self._read = read
        self._capstone = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
        self._capstone.detail = True
        self._known: dict[int, Instruction] = {}

    def forget(self) -> None:
        """The code in memory has changed."""
        self._known.clear()

    def at(self, address: int) -> Instruction:
        """The instruction at an address. Raises UndecodableError where there is none."""
        known = self._known.get(address)
        if known is None:
            known = self._known[address] = self._decode(address)
        return known

    def _decode(self, address: int) -> Instruction:
        code = self._read(address, 4)
        for instruction in self._capstone.disasm(code, address, 1):
            return decode(instruction)
        raise UndecodableError(
            f"the bytes {code.hex(' ')} at {address:#010x} are no Thumb instruction of a Cortex-M4: "
            "is this data, or code for another core?"
        )


@dataclass(frozen=True)
class _Memory:
    """The memory side of a load or store, from capstone's operands."""

    operand: MemoryOperand
    registers: int


def _memory(instruction: capstone.CsInsn, transfer_bytes: int) -> _Memory:
    operand = next(x for x in instruction.operands if x.type == arm.ARM_OP_MEM)
    memory = operand.mem
    index = NUMBERS[memory.index] if memory.index else None
    base = NUMBERS[memory.base]
    registers = 1 << base | (1 << index if index is not None else 0)
    return _Memory(MemoryOperand(base, index, operand.shift.value, memory.disp, transfer_bytes), registers)


def decode(instruction: capstone.CsInsn) -> Instruction:
    """What the rules need to know of an instruction that capstone decoded with detail."""
    reads, writes = (_mask(registers) for registers in instruction.regs_access())
    common = _Common(instruction, reads, writes, f"{instruction.mnemonic} {instruction.op_str}".strip())
    if instruction.id in _SINGLE_BYTES:
        return _single(common)
    kind = _kind(instruction, writes)
    if kind in _MOVES:
        return _multiple(common, kind)
    if kind in (Kind.LOAD_PAIR, Kind.STORE_PAIR):
        memory = _memory(instruction, 4)
        moved = _moved(instruction.operands[:2]) if kind is Kind.LOAD_PAIR else ()
        return common.make(
            kind,
            words=2,
            operand=memory.operand,
            address_registers=memory.registers,
            moved=moved,
            step=_step(instruction),
        )
    if kind is Kind.TABLE_BRANCH:
        return common.make(kind, address_registers=reads)
    if kind is Kind.DIVIDE:
        dividend, divisor = (NUMBERS[x.reg] for x in instruction.operands[-2:])
        is_signed = instruction.id == arm.ARM_INS_SDIV
        return common.make(kind, late_writes=writes, divide=(dividend, divisor), is_signed=is_signed)
    if kind is Kind.IT:
        return common.make(kind, covers=len(instruction.mnemonic) - 1)
    if kind is Kind.FP_MOVE:
        return _fp_move(common)
    if kind is Kind.SYSTEM:
        return common.make(kind, words=1 if instruction.id == arm.ARM_INS_CPS else 2)
    return common.make(kind, late_writes=writes if kind is Kind.ALU else 0, result=result_of(instruction))


def _moved(operands: list[capstone.arm.ArmOp]) -> tuple[int, ...]:
    """The registers that a load of words fills, in the order of addresses."""
    numbers: list[int] = []
    for operand in operands:
        if operand.reg in _DOUBLE:
            first = FIRST_S_REGISTER + 2 * (operand.reg - arm.ARM_REG_D0)
            numbers += [first, first + 1]
        else:
            numbers.append(NUMBERS[operand.reg])
    return tuple(numbers)


def _step(instruction: capstone.CsInsn) -> int:
    """What a single or double access adds to its base when it writes it back."""
    if not instruction.writeback:
        return 0
    displacement = next(x.mem.disp for x in instruction.operands if x.type == arm.ARM_OP_MEM)
    return int(displacement + sum(x.imm for x in instruction.operands if x.type == arm.ARM_OP_IMM))


@dataclass(frozen=True)
class _Common:
    instruction: capstone.CsInsn
    reads: int
    writes: int
    text: str

    def make(self, kind: Kind, **more: object) -> Instruction:
        """An Instruction with what all have in common filled in."""
        name = self.instruction.mnemonic
        fields = {"reads": self.reads, "writes": self.writes, "is_fp": name.startswith("v")} | more
        at, size = self.instruction.address, self.instruction.size
        return Instruction(at, size, kind, self.text, **fields)


def _kind(instruction: capstone.CsInsn, writes: int) -> Kind:
    if instruction.id == arm.ARM_INS_B:
        return Kind.BRANCH if instruction.cc in (arm.ARM_CC_AL, arm.ARM_CC_INVALID) else Kind.BRANCH_CONDITIONAL
    kind = _KINDS.get(instruction.id)
    if kind is not None:
        return kind
    if instruction.mnemonic.startswith("v"):
        return Kind.FP_MOVE
    return Kind.BRANCH_REGISTER if writes >> PC & 1 else Kind.ALU


def _single(common: _Common) -> Instruction:
    """LDR, STR and VLDR, VSTR in all their forms."""
    instruction = common.instruction
    memory = _memory(instruction, _SINGLE_BYTES[instruction.id])
    is_load = instruction.mnemonic.startswith(("ldr", "vldr"))
    data = _mask([instruction.operands[0].reg]) if is_load else 0
    words = 2 if instruction.operands[0].reg in _DOUBLE else 1
    kind = Kind.LOAD if is_load else Kind.STORE
    if data >> PC & 1:
        kind = Kind.LOAD_PC
    is_word = kind is Kind.LOAD and memory.operand.bytes == 4
    return common.make(
        kind,
        words=words,
        loaded=data,
        operand=memory.operand,
        address_registers=memory.registers,
        writes_back=bool(instruction.writeback),
        moved=_moved(instruction.operands[:1]) if is_word else (),
        result=_part(instruction, memory.operand.bytes) if is_load and not is_word else None,
        step=_step(instruction),
    )


def _part(instruction: capstone.CsInsn, size: int) -> Sum | None:
    """What loading a byte or a halfword leaves."""
    if size == 4:
        return None
    least, most = bounds_of(8 * size, instruction.mnemonic.startswith("ldrs"))
    return Sum(NUMBERS[instruction.operands[0].reg], least=least, most=most)


def _multiple(common: _Common, kind: Kind) -> Instruction:
    """LDM, STM, PUSH, POP and their FP sisters."""
    instruction = common.instruction
    registers = [x.reg for x in instruction.operands]
    uses_sp = instruction.mnemonic.split(".")[0] in ("push", "pop", "vpush", "vpop")
    base = SP if uses_sp else NUMBERS[registers[0]]
    moved = registers if uses_sp else registers[1:]
    words = len(moved) * (2 if moved[-1] in _DOUBLE else 1)
    goes_down = kind is Kind.STORE_MULTIPLE if uses_sp else instruction.mnemonic.startswith(_DOWN)
    operand = MemoryOperand(base, None, 0, -4 * words if goes_down else 0, 4)
    is_load = kind is Kind.LOAD_MULTIPLE
    writes = common.writes | (_mask(moved) if is_load else 0)
    return common.make(
        kind,
        words=words,
        operand=operand,
        address_registers=1 << base,
        writes=writes,
        writes_back=uses_sp,
        moved=_moved(instruction.operands[0 if uses_sp else 1 :]) if is_load else (),
        step=(-4 if goes_down else 4) * words if uses_sp or instruction.writeback else 0,
    )


_DOWN = ("ldmdb", "stmdb", "vldmdb", "vstmdb")


def _fp_move(common: _Common) -> Instruction:
    """VMOV, VMRS, VCMP, VABS, VNEG: of the two core registers that a VMOV writes only the second is late."""
    instruction = common.instruction
    registers = [x.reg for x in instruction.operands if x.type == arm.ARM_OP_REG]
    is_pair = instruction.id == arm.ARM_INS_VMOV and len(registers) >= 3
    late = _mask([registers[1]]) if is_pair else common.writes
    return common.make(Kind.FP_MOVE, words=2 if is_pair else 1, late_writes=late, result=result_of(instruction))
