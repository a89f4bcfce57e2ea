"""Which bus slave each access of a block goes to, guessed once: what the fast model goes by.

At a block's first run the registers at its entry are known. A base register that holds an address then, or gets one
from a literal or by arithmetic on such a register, tells the slave; an access whose base is loaded within the block is
taken to go to SRAM1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hil.timing.statement import sdram
from hil.timing.statement.instruction import PC, SP, Instruction, Kind
from hil.timing.statement.pipeline import BANKS, slave

_FLASH, _SRAM = (0x0800_0000, 0x0820_0000), 0x2000_0000
_MEMORY = (
    _FLASH,
    (0x1000_0000, 0x1001_0000),
    (_SRAM, 0x2008_0000),
    (0x4000_0000, 0x6000_0000),
    (sdram.FIRST, sdram.END),
    (0xE000_0000, 0xE010_0000),
)
DEFAULT_SLAVE = slave(_SRAM)

Slave = int | None  # None: the register holds no address


def slaves_of(
    block: Iterable[Instruction],
    register: Callable[[int], int],
    read: Callable[[int, int], bytes],
    banks: tuple[int, int] = BANKS,
) -> dict[int, int]:
    """The slave of each access, by the instruction's address.

    register(n): Rn at the block's entry. read(address, size): bytes of memory. banks: the ends of SRAM1 and SRAM2.
    """
    held: list[Slave] = [_slave_of_word(register(number), banks) for number in range(16)]
    held[SP] = _slave_of_word(register(SP) - 4, banks)  # an empty stack's pointer lies just past its memory
    found: dict[int, int] = {}
    for instruction in block:
        operand = instruction.operand
        if operand is not None:
            candidates = [slave(instruction.address) if operand.base == PC else held[operand.base]]
            candidates += [held[operand.index]] if operand.index is not None else []
            found[instruction.address] = next((one for one in candidates if one is not None), DEFAULT_SLAVE)
        made = _made_by(instruction, held, read, banks)
        for number in range(16):
            if instruction.writes >> number & 1 and not (instruction.writes_back and number == instruction.base):
                held[number] = made
    return found


def _slave_of_word(word: int, banks: tuple[int, int]) -> Slave:
    return slave(word, banks) if any(start <= word < end for start, end in _MEMORY) else None


def _made_by(
    instruction: Instruction, held: list[Slave], read: Callable[[int, int], bytes], banks: tuple[int, int]
) -> Slave:
    """What an instruction's results point into."""
    operand = instruction.operand
    if instruction.kind is Kind.ALU:
        sources = (held[number] for number in range(16) if instruction.reads >> number & 1)
        return next((one for one in sources if one is not None), None)
    if instruction.kind is Kind.LOAD and operand is not None and operand.base == PC and operand.bytes == 4:
        literal = (instruction.address + 4 & ~3) + operand.offset
        return _slave_of_word(int.from_bytes(read(literal, 4), "little"), banks)
    return None
