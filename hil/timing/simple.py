"""A first cost model: every instruction costs what the Cortex-M4 manual says, taken branches a fixed refill.

Base costs from the Cortex-M4 TRM (ARM DDI 0439, chapter 3.3.1), with published measurements where they say otherwise
(single stores 1, MUL and MLA 1). No pairing of loads, no fetch queue, no flash: it says too much where loads come in a
row and too little where code misses the flash cache. Good for deterministic, monotonic cycles, not for budgets.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import capstone
import numpy as np
from numba import carray, cfunc

from hil.timing.blockhook import COST_MASK, CYCLES, HOOK_SIGNATURE, LENGTH, MODEL, PREV_END, enter

if TYPE_CHECKING:
    from hil.timing import ExceptionStep, Machine

TAKEN = 1  # pipeline refill of a taken branch on top of the instruction's own cost
_LOADS = {"ldr", "ldrb", "ldrh", "ldrsb", "ldrsh", "ldrex", "ldrexb", "ldrexh", "vldr"}
_MULTIPLE = ("ldm", "stm", "push", "pop", "vldm", "vstm", "vpush", "vpop")
_COST = {"ldrd": 3, "strd": 3, "sdiv": 7, "udiv": 7, "vdiv": 14, "vsqrt": 14, "mrs": 2, "msr": 2, "tbb": 4, "tbh": 4}
_COST |= {"bx": 2, "blx": 2, "vmla": 3, "vmls": 3, "vnmla": 3, "vnmls": 3, "vfma": 3, "vfms": 3, "vfnma": 3, "vfnms": 3}
_CONDITIONS = {"eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le"}
_ENTRY = MODEL  # the refill charged at the entry of the block now running


@cfunc(HOOK_SIGNATURE, cache=True)
def _on_block(uc, address, size, user_data):  # type: ignore[no-untyped-def]
    s = carray(user_data, (LENGTH,), np.uint64)
    entry = enter(uc, s, address, size)
    if entry == np.uint64(0):
        return
    s[_ENTRY] = np.uint64(0) if address == s[PREV_END] else np.uint64(TAKEN)
    s[CYCLES] += (entry & np.uint64(COST_MASK)) + s[_ENTRY]
    s[PREV_END] = address + np.uint64(size)


def instruction_cost(mnemonic: str, operands: str) -> int:
    """Cycles of one instruction by its disassembly, a branch counted as not taken."""
    name = mnemonic.split(".")[0]
    if name.startswith(_MULTIPLE):
        return 1 + _registers(operands)
    if name[-2:] in _CONDITIONS and len(name) > 3:
        name = name[:-2]
    if name in _LOADS:
        return 2
    return _COST.get(name, 1)


def _registers(operands: str) -> int:
    """How many words a list such as {r4, r5, lr} or {d8, d9} moves; a d register is two."""
    items = operands[operands.index("{") + 1 : operands.index("}")].split(",")
    return sum(2 if item.strip().startswith("d") else 1 for item in items)


class SimpleTable:
    """The manual's cost for each instruction, added up."""

    name = "simple"
    hook_address: int = _on_block.address
    model_words = 0

    def __init__(self) -> None:
        self._disassembler = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)

    def attach(self, machine: Machine) -> None:
        self._machine = machine
        self._before = lru_cache(maxsize=4096)(self._sum_before)

    def reset(self) -> None:
        self._before.cache_clear()

    def block(self, address: int, code: bytes) -> int:
        return min(sum(cost for _, cost in self._costs(address, code)), COST_MASK)

    def cycles_before(self, address: int, pc: int) -> int:
        return int(self._machine.state[_ENTRY]) + self._before(address, pc)

    def exception_cycles(self, step: ExceptionStep) -> int:
        return {"entry": 12, "return": 10, "tail-chain": 6}[step]

    def _sum_before(self, address: int, pc: int) -> int:
        return sum(cost for _, cost in self._costs(address, self._machine.read(address, pc - address)))

    def _costs(self, address: int, code: bytes) -> Iterator[tuple[int, int]]:
        """Address and cycles of each instruction; 1 cycle for a halfword that does not decode."""
        end = address + len(code)
        while address < end:
            for at, size, mnemonic, operands in self._disassembler.disasm_lite(code[address - end :], address):
                yield at, instruction_cost(mnemonic, operands)
                address = at + size
            if address < end:
                yield address, 1
                address += 2
