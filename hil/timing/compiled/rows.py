"""Decoded instructions as rows of the arena, with the rules worked into masks and costs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from unicorn import arm_const

from hil.board.figures import DOCUMENTED, Figures
from hil.errors import HilError
from hil.timing.compiled import layout as at
from hil.timing.statement.costs import base_cost
from hil.timing.statement.fetch import LATENCY
from hil.timing.statement.instruction import IMMEDIATE_BRANCHES, LR, PC, SP, Instruction, Kind
from hil.timing.statement.pipeline import (
    ACCESSES,
    FP_COMPUTES,
    LOADS,
    LOADS_PC,
    SINGLE,
    STORES_BUFFERED,
    WRITES_LATE,
    fixed_refill,
    slave,
    takes_system_bus,
)
from hil.timing.statement.sdram import halfwords

REGISTERS = [arm_const.UC_ARM_REG_R0 + n for n in range(13)]
REGISTERS += [arm_const.UC_ARM_REG_SP, arm_const.UC_ARM_REG_LR, arm_const.UC_ARM_REG_PC]
BRANCHES = (Kind.BRANCH, Kind.BRANCH_REGISTER)
RETURNS = (Kind.BRANCH_REGISTER, Kind.LOAD_PC, Kind.LOAD_MULTIPLE)  # with PC among what they write
UNKNOWN_SLAVE = slave(0x2000_0000)
_Row = dict[int, int]


class Rows:
    """Writes rows and classes into an arena.

    looks: whether a code hook will find out what each execution does; without it every condition passes, and an access
    or a divide of which the block's entry does not tell is aligned and goes to SRAM1, or takes the middle. has_sdram:
    whether the board has memory behind the FMC, and the rule for it is on.
    """

    def __init__(
        self,
        arena: NDArray[np.int64],
        rules: frozenset[str],
        looks: bool,
        figures: Figures = DOCUMENTED,
        has_sdram: bool = False,
    ) -> None:
        self._arena, self._figures, self._has_sdram = arena, figures, has_sdram
        self._rules = rules
        self._looks = looks
        self.may_hook = False  # the fast model has hooks on what is under an IT and costs less where it fails
        self._classes: dict[tuple[int, ...], int] = {}
        self._arena[at.CLASS_COUNT] = 1
        for narrow in (-1, 1, 0):  # NO_CLASS, FAILED_NARROW, FAILED_WIDE
            self._classes[narrow,] = self._new_class((0, 0, 0, 0, 0, int(narrow == 1), 0))
        self._arena[at.ROW_COUNT] = 0
        self.add(Instruction(0, 2, Kind.ALU, "nop"), False)  # NO_ROW

    def add(self, instruction: Instruction, is_conditional: bool, may_pair: bool = True, may_stall: bool = True) -> int:
        """Write an instruction's row; returns its offset. Raises HilError when the arena is full.

        may_pair: whether the instruction before or after it could overlap with it on the bus; may_stall: whether that
        after it could take an address from it.
        """
        if self._arena[at.ROW_COUNT] >= (1 << at.ROW_BITS) - 1 or self._arena[at.CLASS_COUNT] >= at.CLASS_CAPACITY - 1:
            raise HilError(
                f"the timing model has room for {1 << at.ROW_BITS} different instructions: the code has more"
            )
        is_conditional = is_conditional and (self._looks or (self.may_hook and self._depends(instruction, may_stall)))
        row = self._timing(instruction, is_conditional) | {at.R_DYNAMIC: self._static(instruction)}
        row |= self._look(instruction, is_conditional, may_pair)
        offset = at.ROWS + at.ROW_STRIDE * int(self._arena[at.ROW_COUNT])
        self._arena[at.ROW_COUNT] += 1
        self._arena[offset : offset + at.ROW_STRIDE] = 0
        for word, value in row.items():
            self._arena[offset + word] = value
        return offset

    def _depends(self, instruction: Instruction, may_stall: bool) -> bool:
        """Whether an instruction under an IT costs more if its condition passes, or its successor does.

        A single store costs a cycle more at most. It is taken to pass: compilers put hot ones there, and a hook costs.
        """
        kind = instruction.kind
        if kind is Kind.STORE:
            return False
        if kind in (*ACCESSES, *FP_COMPUTES, Kind.DIVIDE) or base_cost(instruction, self._rules, self._figures) > 1:
            return True
        return may_stall and kind in WRITES_LATE and "address-stall" in self._rules

    # -- what the compiled pipeline reads

    def _timing(self, instruction: Instruction, is_conditional: bool) -> _Row:
        rules, kind = self._rules, instruction.kind
        needs_fp = "fp-result" in rules and instruction.is_fp
        keeps_addend = instruction.writes if kind is Kind.FP_MULTIPLY_ADD else 0
        delay, is_after = self._delay(kind)
        return {
            at.R_SIZE: instruction.size,
            at.R_COST: base_cost(instruction, rules, self._figures),
            at.R_CLASS: self._class_of(instruction),
            at.R_ADDRESS: instruction.address_registers,
            at.R_FLAGS: self._flags(instruction, is_conditional, is_after),
            at.R_BASE_BACK: self._base_back(instruction),
            at.R_FP: instruction.reads & ~keeps_addend if needs_fp else 0,
            at.R_DELAY: delay,
            at.R_FIXED: fixed_refill(kind) if "branch-refill" in rules else 0,
            at.R_BUS: instruction.words if "sram-fetch" in rules and takes_system_bus(instruction) else 0,
        }

    def _flags(self, instruction: Instruction, is_conditional: bool, is_after: bool) -> int:
        rules, kind = self._rules, instruction.kind
        is_single_load = kind is Kind.LOAD and instruction.words == 1
        flags = at.F_SINGLE if kind in SINGLE else 0
        flags |= at.F_LOADS if kind in LOADS else 0
        flags |= at.F_OVERLAPS if is_single_load and {"load", "load-overlap"} <= rules else 0
        flags |= at.F_FOLDS if kind is Kind.IT and "it-folding" in rules else 0
        flags |= at.F_STEALS if kind is Kind.BRANCH_CONDITIONAL and {"fetch-queue", "branch-steal"} <= rules else 0
        flags |= at.F_CONDITIONAL if is_conditional else 0
        flags |= at.F_CALLS if kind in BRANCHES and instruction.writes >> LR & 1 else 0
        flags |= at.F_RETURNS if kind in RETURNS and instruction.writes >> PC & 1 else 0
        return flags | (at.F_DELAY_AFTER if is_after else 0)

    def _delay(self, kind: Kind) -> tuple[int, bool]:
        """Cycles from execution to the request of a taken branch's target, and whether the duration comes on top."""
        if "branch-refill" not in self._rules:
            return -1 - LATENCY, True
        if kind in IMMEDIATE_BRANCHES:
            return (-1 if "early-target" in self._rules else 0), False
        return int(kind is Kind.TABLE_BRANCH), kind in LOADS_PC

    def _base_back(self, instruction: Instruction) -> int:
        chains = "write-back" in self._rules and instruction.kind in SINGLE and instruction.writes_back
        return 1 + instruction.base if chains else 0

    def _static(self, instruction: Instruction) -> int:
        """What is assumed of an execution of which nothing is known."""
        if instruction.kind is Kind.DIVIDE:
            return (self._figures.unknown_divide - 1 if "divide" in self._rules else 0) << at.EXTRA_SHIFT
        return UNKNOWN_SLAVE if "bus-slaves" in self._rules else at.ANY_SLAVE

    # -- what its successor reads

    def _class_of(self, instruction: Instruction) -> int:
        rules, kind = self._rules, instruction.kind
        words = (
            instruction.late_writes if kind in WRITES_LATE and "address-stall" in rules else 0,
            int(kind in STORES_BUFFERED and "store-load" in rules),
            self._base_back(instruction),
            instruction.writes if kind in FP_COMPUTES and "fp-result" in rules else 0,
            instruction.loaded,
            int(instruction.size == 2),
            int(kind in SINGLE),
        )
        return self._classes.get(words) or self._classes.setdefault(words, self._new_class(words))

    def _new_class(self, words: tuple[int, ...]) -> int:
        offset = at.CLASSES + at.CLASS_STRIDE * int(self._arena[at.CLASS_COUNT])
        self._arena[at.CLASS_COUNT] += 1
        self._arena[offset : offset + len(words)] = words
        return offset

    # -- what the code hook and plans read

    def _look(self, instruction: Instruction, is_conditional: bool, may_pair: bool) -> _Row:
        row: _Row = {at.R_NEEDS: at.NEED_PASSED if is_conditional else 0}
        if instruction.divide and "divide" in self._rules:
            dividend, divisor = instruction.divide
            row[at.R_NEEDS] |= at.NEED_SIGNED_DIVIDE if instruction.is_signed else at.NEED_DIVIDE
            row |= {at.R_BASE: REGISTERS[dividend], at.R_INDEX: REGISTERS[divisor]}
        elif instruction.operand and self._address_matters(instruction, may_pair):
            row[at.R_NEEDS] |= at.NEED_ADDRESS
            row |= self._operand(instruction)
        return row

    def _address_matters(self, instruction: Instruction, may_pair: bool) -> bool:
        """Whether slave, alignment or flash line can change the cost; SP is taken to be aligned and in RAM."""
        if {"sram-fetch", "bus-slaves"} <= self._rules and takes_system_bus(instruction):
            return True
        if may_pair and instruction.kind in SINGLE and "bus-slaves" in self._rules:
            return True
        if instruction.base == SP or instruction.operand is None:
            return False
        if self._has_sdram and instruction.kind in ACCESSES:
            return True
        is_wide = instruction.kind in SINGLE and instruction.operand.bytes > 1
        return instruction.kind in LOADS or is_wide and "unaligned" in self._rules

    def _operand(self, instruction: Instruction) -> _Row:
        operand = instruction.operand
        assert operand is not None
        is_literal = operand.base == PC
        checks_alignment = instruction.kind in SINGLE and "unaligned" in self._rules
        return {
            at.R_BASE: 0 if is_literal else REGISTERS[operand.base],
            at.R_INDEX: 0 if operand.index is None else REGISTERS[operand.index],
            at.R_SHIFT: operand.shift,
            at.R_OFFSET: operand.offset + ((instruction.address + 4 & ~3) if is_literal else 0),
            at.R_UNIT: operand.bytes if checks_alignment else 1,
            at.R_BYTES: instruction.transfer_bytes if instruction.kind in LOADS else 0,
            at.R_HALFWORDS: halfwords(instruction.transfer_bytes) if self._has_sdram else 0,
        }
