"""An instruction as the timing model sees it: what kind it is, which registers it needs and when, what it moves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

SP, LR, PC = 13, 14, 15
FIRST_S_REGISTER = 16  # bit of S0 in a register mask; R0 to PC are bits 0 to 15


class Kind(IntEnum):
    """What an instruction does to the pipeline; everything the rules tell apart by name."""

    ALU = 0  # one cycle in execute: data processing, multiplies, saturation, hints
    LOAD = 1  # one word, halfword or byte, and VLDR
    STORE = 2
    LOAD_PAIR = 3
    STORE_PAIR = 4
    LOAD_MULTIPLE = 5  # LDM POP VLDM
    STORE_MULTIPLE = 6
    LOAD_PC = 7  # LDR PC
    BRANCH = 8  # B BL
    BRANCH_CONDITIONAL = 9
    COMPARE_BRANCH = 10  # CBZ CBNZ
    BRANCH_REGISTER = 11  # BX, BLX register, MOV PC, ADD PC
    TABLE_BRANCH = 12
    DIVIDE = 13
    IT = 14
    FP_MOVE = 15
    FP_ARITHMETIC = 16
    FP_MULTIPLY_ADD = 17
    FP_DIVIDE = 18
    SYSTEM = 19  # MRS MSR CPS
    BARRIER = 20


IMMEDIATE_BRANCHES = frozenset({Kind.BRANCH, Kind.BRANCH_CONDITIONAL, Kind.COMPARE_BRANCH})


@dataclass(frozen=True, slots=True)
class MemoryOperand:
    """Where an instruction reads or writes: base + (index << shift) + offset, before any post-index."""

    base: int
    index: int | None
    shift: int
    offset: int
    bytes: int  # of one transfer: 1, 2 or 4


@dataclass(frozen=True, slots=True)
class Sum:
    """What an instruction leaves in a register: base + (index << shift) + constant, of registers as they were before.

    Registers are numbered as the bits of masks; None: none. keeps_low: MOVT, the base's low half stays. least, most:
    between what that is plus something unknown. is_exact: False where the value is only near that.
    """

    target: int
    base: int | None = None
    index: int | None = None
    shift: int = 0
    constant: int = 0
    keeps_low: bool = False
    least: int = 0
    most: int = 0
    is_exact: bool = True


@dataclass(frozen=True, slots=True)
class Instruction:
    """One decoded instruction. Masks have bit n for Rn (SP, LR, PC = 13, 14, 15) and bit 16 + n for Sn.

    words: transfers of a load or store, or the fixed count of cycles that the cost table multiplies (VMOV pair: 2).
    late_writes: the written registers that are not there yet for the address of the very next instruction.
    covers: how many following instructions an IT makes conditional. result: what it computes, where that is a sum.
    moved: the registers that whole words are loaded into, in the order of addresses. step: what write-back adds to the
    base.
    """

    address: int
    size: int
    kind: Kind
    text: str
    words: int = 1
    reads: int = 0
    writes: int = 0
    late_writes: int = 0
    address_registers: int = 0
    loaded: int = 0
    writes_back: bool = False
    is_fp: bool = False
    operand: MemoryOperand | None = None
    divide: tuple[int, int] | None = None  # registers of dividend and divisor
    is_signed: bool = False
    covers: int = 0
    result: Sum | None = None
    moved: tuple[int, ...] = ()
    step: int = 0

    @property
    def end(self) -> int:
        """The address just past it."""
        return self.address + self.size

    @property
    def transfer_bytes(self) -> int:
        """Bytes that a load or store moves; 0 where there is no memory operand."""
        if self.operand is None:
            return 0
        return self.operand.bytes if self.words == 1 else 4 * self.words

    @property
    def base(self) -> int:
        """The base register of a memory access, -1 where there is none."""
        return self.operand.base if self.operand else -1


@dataclass(frozen=True, slots=True)
class Executed:
    """An instruction that went through the pipeline, with what only the run knows.

    next_address: of the instruction that came after it. data_address: what it read or wrote, if it did. operands:
    dividend and divisor as unsigned 32-bit words. passed: False where its IT condition failed.
    """

    instruction: Instruction
    next_address: int
    data_address: int | None = None
    operands: tuple[int, int] | None = None
    passed: bool = True

    @property
    def is_taken(self) -> bool:
        """Whether the flow left the straight line here."""
        return self.next_address != self.instruction.end
