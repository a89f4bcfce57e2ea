"""Conditional branches of Thumb code (ARMv7-M ARM, A7.7)."""

from __future__ import annotations

from dataclasses import dataclass

from hil.targets.sim.core.blocks import Instruction

_ALWAYS = 14


@dataclass(frozen=True)
class Branch:
    """A conditional branch: its address, the one behind it, where it leads when taken (None: back to the caller)."""

    address: int
    end: int
    target: int | None


def as_branch(instruction: Instruction) -> Branch | None:
    """An instruction as a conditional branch; None where it is another one."""
    first, second = instruction.first, instruction.second
    offset: int | None = None
    if first & 0xF000 == 0xD000 and first >> 8 & 0xF < _ALWAYS:  # B<c>, T1
        offset = _signed(first << 1, 9)
    elif first & 0xF500 == 0xB100:  # CBZ, CBNZ
        offset = (first >> 9 & 1) << 6 | (first >> 3 & 0x1F) << 1
    elif first & 0xF800 == 0xF000 and second & 0xD000 == 0x8000 and first >> 6 & 0xF < _ALWAYS:  # B<c>, T3
        sign, j2, j1 = first >> 10 & 1, second >> 11 & 1, second >> 13 & 1
        offset = _signed(sign << 20 | j2 << 19 | j1 << 18 | (first & 0x3F) << 12 | (second & 0x7FF) << 1, 21)
    elif not instruction.conditional:
        return None
    elif first & 0xF800 == 0xE000:  # B under an IT
        offset = _signed(first << 1, 12)
    elif not _returns(first, second):
        return None
    end = instruction.address + instruction.size
    return Branch(instruction.address, end, None if offset is None else instruction.address + 4 + offset)


def _returns(first: int, second: int) -> bool:
    """BX, POP and LDM with PC, LDR PC, [SP], #4."""
    pops = first & 0xFF00 == 0xBD00 or (first == 0xE8BD and second >> 15) or (first == 0xF85D and second == 0xFB04)
    return bool(pops) or first & 0xFF80 == 0x4700


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value
