"""First sight of a basic block: what the core must check that Unicorn does not.

Unicorn lets unaligned LDRD, LDM and VLDR pass, divides by zero in silence, and runs FP code with the FPU off. A hook
on every load would halve the speed, so a block is read once, here, and what can go wrong in it becomes a few words
that the native block hook tests against the registers at the block's entry. Where a base register is computed within
the block its value there is not known; then the single instruction gets a hook of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import capstone

from hil.targets.sim.core.bases import Residue, Unknown, known_residues
from hil.timing.compiled.blockhook import CHECK_ALIGNED, CHECK_DIVISOR, CHECK_STACK, FLAG_CHECKS, FLAG_FPU, FLAG_SPIN

WordAt = Callable[[int], int | None]
SP, PC = 13, 15
_DISASSEMBLER = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
_EFFECTS = ("st", "push", "vst", "vpush", "svc", "bkpt", "wf", "sev", "cps", "msr", "ldrex", "bl")


@dataclass(frozen=True)
class Instruction:
    """An instruction's place and its halfwords; second is 0 for a 16-bit one."""

    address: int
    first: int
    second: int
    conditional: bool  # under an IT

    @property
    def size(self) -> int:
        return 4 if self.first >> 11 >= 0x1D else 2


@dataclass(frozen=True)
class Check:
    """A test before a block, or a late one before an instruction, for the sake of the instruction at pc.

    CHECK_ALIGNED: a sum of registers with coefficients, plus offset, is a multiple of 4. CHECK_DIVISOR: the register
    with a coefficient is not 0. CHECK_STACK: SP plus offset is inside the stack.
    """

    kind: int
    coefficients: tuple[int, ...]
    offset: int
    pc: int

    @property
    def word(self) -> int:
        """As the block hook reads it (hil.timing.compiled.blockhook)."""
        registers = sum(coefficient << 2 * n for n, coefficient in enumerate(self.coefficients))
        return self.kind | (self.offset & 0xFF_FFFF) << 8 | registers << 32


@dataclass
class Block:
    """What was found in a block. late: checks whose register is only known at the instruction itself."""

    address: int
    size: int
    instructions: int = 0
    flags: int = 0
    has_it: bool = False
    checks: list[Check] = field(default_factory=list)
    late: list[Check] = field(default_factory=list)


def decode(address: int, code: bytes) -> Iterator[Instruction]:
    """The Thumb instructions of a stretch of code, an IT block tracked from its IT on."""
    under = 0
    position = 0
    while position < len(code):
        first = int.from_bytes(code[position : position + 2], "little")
        wide = first >> 11 >= 0x1D
        second = int.from_bytes(code[position + 2 : position + 4], "little") if wide else 0
        instruction = Instruction(address + position, first, second, under > 0)
        under = max(0, under - 1)
        if first & 0xFF00 == 0xBF00 and first & 0xF:
            under = 4 - ((first & -first & 0xF).bit_length() - 1)
        yield instruction
        position += instruction.size


def multiple_base(instruction: Instruction) -> tuple[int, int] | None:
    """(base register, offset) of an access that must be word-aligned and, its base not being SP or PC, may not be."""
    first, second = instruction.first, instruction.second
    base = first & 0xF
    if first & 0xF000 == 0xC000:  # LDM, STM
        return (first >> 8 & 7), 0
    if first & 0xFE40 == 0xE800 and first & 0x0180 in (0x0080, 0x0100):  # LDM.W, STM.W, LDMDB, STMDB
        return _unless_aligned(base, 0)
    if first & 0xFE40 == 0xE840 and first & 0x0120:  # LDRD, STRD
        offset = (second & 0xFF) * 4 * (1 if first & 0x80 else -1)
        return _unless_aligned(base, offset if first & 0x0100 else 0)
    if second & 0x0E00 == 0x0A00:
        if first & 0xFF20 == 0xED00:  # VLDR, VSTR
            return _unless_aligned(base, (second & 0xFF) * 4 * (1 if first & 0x80 else -1))
        if first & 0xFE00 == 0xEC00 and first & 0x01E0 != 0x0040:  # VLDM, VSTM; not VMOV of two registers
            return _unless_aligned(base, 0)
    return None


def _unless_aligned(base: int, offset: int) -> tuple[int, int] | None:
    return None if base in (SP, PC) else (base, offset)


def divisor(instruction: Instruction) -> int | None:
    """The register that SDIV or UDIV divides by."""
    is_division = instruction.first & 0xFFD0 == 0xFB90 and instruction.second & 0xF0F0 == 0xF0F0
    return instruction.second & 0xF if is_division else None


def uses_fpu(instruction: Instruction) -> bool:
    """Whether it is an instruction of coprocessors 10 and 11."""
    return instruction.first & 0xEC00 == 0xEC00 and instruction.second & 0x0E00 == 0x0A00


def stack_step(instruction: Instruction) -> int | None:
    """By how many bytes it moves SP, where that stands in the instruction; None where it does not."""
    first, second = instruction.first, instruction.second
    if first & 0xFE00 == 0xB400:  # PUSH
        return -4 * (first & 0x1FF).bit_count()
    if first & 0xFE00 == 0xBC00:  # POP
        return 4 * (first & 0x1FF).bit_count()
    if first & 0xFF00 == 0xB000:  # ADD, SUB SP, #imm7
        return (first & 0x7F) * 4 * (-1 if first & 0x80 else 1)
    if first == 0xE92D:  # PUSH.W
        return -4 * second.bit_count()
    if first == 0xE8BD:  # POP.W
        return 4 * second.bit_count()
    if first & 0xFFBF == 0xED2D and second & 0x0E00 == 0x0A00:  # VPUSH
        return -4 * (second & 0xFF)
    if first & 0xFFBF == 0xECBD and second & 0x0E00 == 0x0A00:  # VPOP
        return 4 * (second & 0xFF)
    if first == 0xF84D and second & 0x0FFF == 0x0D04:  # STR Rt, [SP, #-4]!
        return -4
    if first == 0xF85D and second & 0x0FFF == 0x0B04:  # LDR Rt, [SP], #4
        return 4
    if first & 0xFF7F == 0xE96D:  # STRD Rt, Rt2, [SP, #-imm]!
        return (second & 0xFF) * 4 * (1 if first & 0x80 else -1)
    if first & 0xFBFF == 0xF1AD and second & 0x8F00 == 0x0D00:  # SUB.W SP, SP, #imm
        return -_expand_immediate(first >> 10 & 1, second)
    if first & 0xFBFF == 0xF2AD and second & 0x8F00 == 0x0D00:  # SUBW SP, SP, #imm12
        return -((first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xFF)
    return None


def _expand_immediate(high: int, second: int) -> int:
    """ThumbExpandImm (ARMv7-M ARM, A5.3.2)."""
    selector, byte = high << 11 | (second >> 12 & 7) << 8, second & 0xFF
    value = selector | byte
    if value >> 10 == 0:
        return (byte, byte << 16 | byte, byte << 24 | byte << 8, byte * 0x01010101)[value >> 8 & 3]
    rotation, unrotated = value >> 7, 0x80 | value & 0x7F
    return (unrotated >> rotation | unrotated << (32 - rotation)) & 0xFFFFFFFF


def analyse(address: int, code: bytes, word_at: WordAt = lambda _address: None) -> Block:
    """Find what needs checking in a block. word_at: the program's constants by address, None where there is none."""
    block = Block(address, len(code))
    instructions = list(decode(address, code))
    block.instructions = len(instructions)
    block.has_it = any(instruction.conditional for instruction in instructions)
    suspects: list[tuple[Instruction, int, int, int]] = []
    depth = lowest = 0
    lowest_pc = address
    for instruction in instructions:
        if uses_fpu(instruction):
            block.flags |= FLAG_FPU
        access, by = multiple_base(instruction), divisor(instruction)
        if access:
            suspects.append((instruction, CHECK_ALIGNED, *access))
        if by is not None:
            suspects.append((instruction, CHECK_DIVISOR, by, 0))
        depth += stack_step(instruction) or 0
        if depth < lowest:
            lowest, lowest_pc = depth, instruction.address
    if lowest < 0:
        block.checks.append(Check(CHECK_STACK, Residue.of_register(SP).coefficients, lowest, lowest_pc))
    if len(instructions) == 1 and instructions[0].first == 0xE7FE:  # B .
        block.flags |= FLAG_SPIN
    if suspects:
        _sort_out(block, code, suspects, word_at)
    if block.checks:
        block.flags |= FLAG_CHECKS
    return block


def _sort_out(block: Block, code: bytes, suspects: list[tuple[Instruction, int, int, int]], word_at: WordAt) -> None:
    """Tell what is known at the block's entry from what is known only at the instruction."""
    known = dict(known_residues(block.address, code, word_at))
    seen: set[tuple[int, int, Unknown, int]] = set()
    for instruction, kind, register, offset in suspects:
        late = Check(kind, Residue.of_register(register).coefficients, offset, instruction.address)
        value = known.get(instruction.address, {}).get(register)
        if instruction.conditional or value is None:
            block.late.append(late)
        elif isinstance(value, Unknown) or (kind == CHECK_DIVISOR and value.copy_of is None):
            origin = value if isinstance(value, Unknown) else Unknown(instruction.address)
            if (kind, register, origin, offset & 3) not in seen:  # one check of a base is enough for all its accesses
                block.late.append(late)
            seen.add((kind, register, origin, offset & 3))
        elif not value.is_constant or value.constant + offset & 3:
            block.checks.append(replace(late, coefficients=value.coefficients, offset=value.constant + offset))


def memory_accesses(address: int, code: bytes) -> list[int]:
    """The addresses of a block's loads and stores."""
    return [at for at, _, mnemonic, _ in _DISASSEMBLER.disasm_lite(code, address) if mnemonic.startswith(("ld", "st"))]


def keeps_to_registers(address: int, code: bytes) -> bool:
    """Whether a block changes nothing but registers: no stores, no system instructions."""
    names = [mnemonic for _, _, mnemonic, _ in _DISASSEMBLER.disasm_lite(code, address)]
    return bool(names) and not any(name.startswith(_EFFECTS) for name in names)


def step_bytes(code: bytes) -> int:
    """Bytes of the first instruction, with those under it where it is an IT."""
    instructions = decode(0, code)
    size = next(instructions).size
    for instruction in instructions:
        if not instruction.conditional:
            break
        size += instruction.size
    return size
