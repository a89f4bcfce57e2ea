"""Drawn programs for two emulators of one core: a few instructions each, on drawn registers, their outcome kept in RAM.

What is drawn are data processing, DSP, saturation, bit fields, division, floating point, and loads and stores in a
window of a few words (ARMv7-M, A7.7): nothing that the manual calls unpredictable, no branches.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from capstone import CS_ARCH_ARM, CS_MODE_MCLASS, CS_MODE_THUMB, Cs

FLASH, RAM, STACK_TOP = 0x0800_0000, 0x2000_0000, 0x2001_0000
VECTORS = 16
CORE, FLOATS, WORDS = 13, 8, 8  # r0 to r12; s0 to s7; of the window in memory
NAMES = (
    *(f"r{n}" for n in range(CORE)), "apsr", "ge", "fpscr",
    *(f"s{n}" for n in range(FLOATS)), *(f"m{n}" for n in range(WORDS)),
)  # fmt: skip
OUTCOME_BYTES = 4 * len(NAMES)
LARGEST = STACK_TOP - RAM - 1024  # bytes of outcomes in a program
_AWKWARD = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)
# of single precision: 0, 1, -1, the smallest and the largest normal number, subnormal ones, infinity, 2^31
_AWKWARD_FLOATS = (
    0, 0x8000_0000, 0x3F80_0000, 0xBF80_0000, 0x0080_0000, 0x7F7F_FFFF, 1, 0x807F_FFFF, 0x7F80_0000, 0x4F00_0000,
)  # fmt: skip
_LINK = 14  # holds addresses: the window's where drawn instructions load and store


@dataclass(frozen=True)
class Snippet:
    """Instructions, and what is there before them: r0 to r12, s0 to s7, the flags, the words of the window in memory.

    flags: N, Z, C, V, Q, where APSR has them. ge: a byte of ones for each byte whose flag is set.
    """

    body: tuple[bytes, ...]
    core: tuple[int, ...]
    floats: tuple[int, ...]
    flags: int
    ge: int
    memory: tuple[int, ...] = (0,) * WORDS

    def up_to(self, count: int) -> Snippet:
        """The same with its first instructions alone."""
        return replace(self, body=self.body[:count])

    @property
    def text(self) -> list[str]:
        """An instruction a line."""
        disassembler = Cs(CS_ARCH_ARM, CS_MODE_THUMB | CS_MODE_MCLASS)
        lines = disassembler.disasm_lite(b"".join(self.body), 0)
        return [f"{mnemonic} {operands}" for _, _, mnemonic, operands in lines]


def draw(seed: int, length: int = 8) -> Snippet:
    """The snippet of a seed: always the same one."""
    dice = random.Random(seed)
    body = tuple(dice.choice(_KINDS)(dice) for _ in range(length))
    core = tuple(_word(dice, _AWKWARD) for _ in range(CORE))
    floats = tuple(_word(dice, _AWKWARD_FLOATS) for _ in range(FLOATS))
    ge = sum(0xFF << 8 * byte for byte in range(4) if dice.getrandbits(1))
    flags = dice.getrandbits(5) << 27
    return Snippet(body, core, floats, flags, ge, tuple(_word(dice, _AWKWARD) for _ in range(WORDS)))


def program(snippets: list[Snippet]) -> bytes:
    """Flash of a chip that runs them one after another, then stays where it is. Outcomes lie in RAM, in their order."""
    code = _half(0xF64E, 0x5088, 0xF2CE, 0x0000)  # r0 = CPACR
    code += _half(0xF44F, 0x0170, 0x6001, 0xF3BF, 0x8F4F, 0xF3BF, 0x8F6F)  # floating point on; dsb; isb
    entry = FLASH + 4 * VECTORS
    size = len(code) + sum(len(_framed(snippet, 0, 0)) for snippet in snippets) + 4
    inputs_at = entry + (size + 3 & ~3)
    inputs = b""
    for number, snippet in enumerate(snippets):
        code += _framed(snippet, inputs_at + len(inputs), RAM + OUTCOME_BYTES * number)
        words = (*snippet.floats, *snippet.memory, snippet.ge, snippet.flags, *snippet.core)
        inputs += struct.pack(f"<{len(words)}I", *words)
    code += _half(0xBF00, 0xE7FD)  # for ever; of a branch to itself the sim says at once that nothing will come of it
    last = entry + size - 4  # faults end where the program does
    vectors = struct.pack(f"<{VECTORS}I", STACK_TOP, entry | 1, *[last | 1] * (VECTORS - 2))
    return vectors + code.ljust(inputs_at - entry, b"\0") + inputs


def write_elf(flash: bytes, path: Path) -> Path:
    """An ELF file with one segment, the flash."""
    header, segment = 52, 32
    ident = b"\x7fELF" + bytes([1, 1, 1]) + bytes(9)
    words = (2, 40, 1, FLASH + 4 * VECTORS | 1, header, 0, 0x0500_0400, header, segment, 1, 0, 0, 0)
    start = header + segment
    load = struct.pack("<8I", 1, start, FLASH, FLASH, len(flash), len(flash), 5, 4)
    path.write_bytes(ident + struct.pack("<HHIIIIIHHHHHH", *words) + load + flash)
    return path


def _framed(snippet: Snippet, inputs: int, outcome: int) -> bytes:
    window = _address(outcome + OUTCOME_BYTES - 4 * WORDS)
    before = _address(inputs) + _half(0xECB0 | _LINK, 0x0A00 | FLOATS + WORDS)  # vldmia r14!, {s0-s15}
    before += _half(0xF04F, 0x0000, 0xEEE1, 0x0A10)  # mov r0, #0; vmsr fpscr, r0
    # The flags of bytes by a sum's carries and by a selection: msr and mrs do not have them on Renode 1.16.1.
    before += _half(0xF850 | _LINK, 0x0B04, 0xFA80, 0xF040)  # ldr r0, [r14], #4; uadd8 r0, r0, r0
    before += _half(0xF850 | _LINK, 0x0B04, 0xF380, 0x8800)  # ldr r0, [r14], #4; msr apsr_nzcvq, r0
    before += _half(0xE890 | _LINK, 0x1FFF) + window  # ldmia r14, {r0-r12}
    before += _half(0xEC80 | _LINK, 0x4A00 | WORDS)  # vstmia r14, {s8-s15}
    after = _address(outcome) + _half(0xE8A0 | _LINK, 0x1FFF)  # stmia r14!, {r0-r12}
    after += _half(0xF3EF, 0x8000, 0xF000, 0x4078)  # mrs r0, apsr; and r0, #N | Z | C | V | Q
    after += _half(0xF840 | _LINK, 0x0B04)  # str r0, [r14], #4
    after += _half(0xF06F, 0x0100, 0xF04F, 0x0200, 0xFAA1, 0xF082)  # mvn r1, #0; mov r2, #0; sel r0, r1, r2
    after += _half(0xF840 | _LINK, 0x0B04)  # str r0, [r14], #4
    after += _half(0xEEF1, 0x0A10, 0xF840 | _LINK, 0x0B04)  # vmrs r0, fpscr; str r0, [r14], #4
    after += _half(0xECA0 | _LINK, 0x0A00 | FLOATS)  # vstmia r14!, {s0-s7}
    return before + b"".join(snippet.body) + after


def _address(value: int) -> bytes:
    """movw, movt r14."""

    def one(opcode: int, part: int) -> bytes:
        return _half(opcode | part >> 12 | (part >> 11 & 1) << 10, (part >> 8 & 7) << 12 | _LINK << 8 | part & 0xFF)

    return one(0xF240, value & 0xFFFF) + one(0xF2C0, value >> 16)


def _half(*halfwords: int) -> bytes:
    return struct.pack(f"<{len(halfwords)}H", *halfwords)


def _word(dice: random.Random, awkward: tuple[int, ...]) -> int:
    return dice.choice(awkward) if dice.random() < 0.4 else dice.getrandbits(32)


def _register(dice: random.Random) -> int:
    return dice.randrange(CORE)


def _split(amount: int) -> int:
    """A five-bit amount as imm3:imm2 lie in the second halfword."""
    return (amount >> 2) << 12 | (amount & 3) << 6


def _shifted(dice: random.Random) -> bytes:
    """AND, BIC, ORR, ORN, EOR, ADD, ADC, SBC, SUB, RSB of a shifted register."""
    opcode = 0xEA00 | dice.choice((0, 1, 2, 3, 4, 8, 10, 11, 13, 14)) << 5 | dice.getrandbits(1) << 4
    shift = _split(dice.getrandbits(5)) | dice.getrandbits(2) << 4
    return _half(opcode | _register(dice), shift | _register(dice) << 8 | _register(dice))


def _immediate(dice: random.Random) -> bytes:
    """The same of a modified immediate."""
    opcode = 0xF000 | dice.choice((0, 1, 2, 3, 4, 8, 10, 11, 13, 14)) << 5 | dice.getrandbits(1) << 4
    first = opcode | dice.getrandbits(1) << 10 | _register(dice)
    return _half(first, dice.getrandbits(3) << 12 | _register(dice) << 8 | dice.randrange(1, 256))


def _shift(dice: random.Random) -> bytes:
    opcode = 0xFA00 | dice.getrandbits(2) << 5 | dice.getrandbits(1) << 4
    return _half(opcode | _register(dice), 0xF000 | _register(dice) << 8 | _register(dice))


def _multiply(dice: random.Random) -> bytes:
    """MLA, SMLAxy, SMLAD, SMLAWy, SMLSD, SMMLA, SMMLS, USADA8, most of them without the addition, too."""
    opcode = dice.choice((0xFB00, 0xFB10, 0xFB20, 0xFB30, 0xFB40, 0xFB50, 0xFB60, 0xFB70))
    variants = {0xFB00: (0, 0x10), 0xFB10: (0, 0x10, 0x20, 0x30), 0xFB70: (0,)}.get(opcode, (0, 0x10))
    variant = dice.choice(variants)
    is_alone = dice.random() < 0.4 and opcode != 0xFB60 and (opcode, variant) != (0xFB00, 0x10)
    added = 15 if is_alone else _register(dice)
    return _half(opcode | _register(dice), added << 12 | _register(dice) << 8 | variant | _register(dice))


def _multiply_long(dice: random.Random) -> bytes:
    """SMULL, UMULL, SMLAL, UMLAL, UMAAL, SMLALxy, SMLALD, SMLSLD."""
    kinds = ((0xFB80, 0), (0xFBA0, 0), (0xFBC0, 0), (0xFBE0, 0), (0xFBE0, 0x60), (0xFBC0, 0x80), (0xFBC0, 0x90),
             (0xFBC0, 0xA0), (0xFBC0, 0xB0), (0xFBC0, 0xC0), (0xFBC0, 0xD0), (0xFBD0, 0xC0),
             (0xFBD0, 0xD0))  # fmt: skip
    opcode, variant = dice.choice(kinds)
    low, high = dice.sample(range(CORE), 2)
    return _half(opcode | _register(dice), low << 12 | high << 8 | variant | _register(dice))


def _divide(dice: random.Random) -> bytes:
    return _half(dice.choice((0xFB90, 0xFBB0)) | _register(dice), 0xF0F0 | _register(dice) << 8 | _register(dice))


def _parallel(dice: random.Random) -> bytes:
    """Additions and subtractions of halfwords and bytes: plain, saturating, halving, signed and not."""
    opcode = 0xFA80 | dice.choice((0, 1, 2, 4, 5, 6)) << 4
    variant = dice.choice((0, 1, 2, 4, 5, 6)) << 4
    return _half(opcode | _register(dice), 0xF000 | _register(dice) << 8 | variant | _register(dice))


def _extend(dice: random.Random) -> bytes:
    """SXTAH, UXTAH, SXTAB16, UXTAB16, SXTAB, UXTAB, and without the addition."""
    added = 15 if dice.getrandbits(1) else _register(dice)
    rotation = dice.getrandbits(2) << 4
    return _half(0xFA00 | dice.randrange(6) << 4 | added, 0xF080 | _register(dice) << 8 | rotation | _register(dice))


def _miscellaneous(dice: random.Random) -> bytes:
    """QADD, QDADD, QSUB, QDSUB, REV, REV16, RBIT, REVSH, SEL, CLZ."""
    group = dice.choice((0xFA80, 0xFA90, 0xFAA0, 0xFAB0))
    variant = dice.getrandbits(2) << 4 if group in (0xFA80, 0xFA90) else 0
    second = _register(dice)
    first = second if group in (0xFA90, 0xFAB0) else _register(dice)
    return _half(group | first, 0xF080 | _register(dice) << 8 | variant | second)


def _saturate(dice: random.Random) -> bytes:
    """SSAT, USAT, SSAT16, USAT16."""
    opcode = dice.choice((0xF300, 0xF380))
    if dice.random() < 0.3:
        return _half(opcode | 0x20 | _register(dice), _register(dice) << 8 | dice.getrandbits(4))
    is_right = dice.getrandbits(1)
    amount = dice.randrange(1, 32) if is_right else dice.randrange(32)
    first = opcode | is_right << 5 | _register(dice)
    return _half(first, _split(amount) | _register(dice) << 8 | dice.getrandbits(5))


def _field(dice: random.Random) -> bytes:
    """SBFX, UBFX, BFI, BFC."""
    low = dice.randrange(32)
    high = dice.randrange(low, 32)
    opcode = dice.choice((0xF340, 0xF3C0, 0xF360))
    source = 15 if opcode == 0xF360 and dice.random() < 0.3 else _register(dice)
    last = high if opcode == 0xF360 else high - low
    return _half(opcode | source, _split(low) | _register(dice) << 8 | last)


def _narrow(dice: random.Random) -> bytes:
    """The sixteen data-processing instructions of 16 bits; the others of their kind, with flags."""
    return _half(0x4000 | dice.getrandbits(4) << 6 | dice.getrandbits(3) << 3 | dice.getrandbits(3))


def _pack(dice: random.Random) -> bytes:
    """PKHBT, PKHTB."""
    first = 0xEAC0 | _register(dice)
    return _half(first, _split(dice.getrandbits(5)) | _register(dice) << 8 | dice.getrandbits(1) << 5 | _register(dice))


def _float(dice: random.Random) -> bytes:
    """VMLA, VMLS, VNMLA, VNMLS, VMUL, VNMUL, VADD, VSUB, VDIV, VFMA, VFMS, VFNMA, VFNMS."""
    opcode, variant = dice.choice(
        ((0xEE00, 0), (0xEE00, 0x40), (0xEE10, 0), (0xEE10, 0x40), (0xEE20, 0), (0xEE20, 0x40), (0xEE30, 0),
         (0xEE30, 0x40), (0xEE80, 0), (0xEEA0, 0), (0xEEA0, 0x40), (0xEE90, 0), (0xEE90, 0x40))
    )  # fmt: skip
    d, n, m = (dice.randrange(FLOATS) for _ in range(3))
    first = opcode | (d & 1) << 6 | n >> 1
    return _half(first, d >> 1 << 12 | 0x0A00 | (n & 1) << 7 | variant | (m & 1) << 5 | m >> 1)


def _float_alone(dice: random.Random) -> bytes:
    """VMOV, VABS, VNEG, VSQRT, VCMP, VCMPE, conversions to and from integers, both roundings."""
    selector, variant = dice.choice(
        ((0, 0x40), (0, 0xC0), (1, 0x40), (1, 0xC0), (4, 0x40), (4, 0xC0), (8, 0x40), (8, 0xC0), (12, 0x40), (12, 0xC0),
         (13, 0x40), (13, 0xC0))
    )  # fmt: skip
    d, m = (dice.randrange(FLOATS) for _ in range(2))
    first = 0xEEB0 | (d & 1) << 6 | selector
    return _half(first, d >> 1 << 12 | 0x0A00 | variant | (m & 1) << 5 | m >> 1)


def _memory(dice: random.Random) -> bytes:
    """LDR, LDRH, LDRB, LDRSH, LDRSB, STR, STRH, STRB, at any address of the window: not all of them aligned."""
    opcode, size = dice.choice(
        ((0xF8D0, 4), (0xF8B0, 2), (0xF890, 1), (0xF9B0, 2), (0xF990, 1), (0xF8C0, 4), (0xF8A0, 2), (0xF880, 1))
    )
    return _half(opcode | _LINK, _register(dice) << 12 | dice.randrange(4 * WORDS - size + 1))


def _memory_words(dice: random.Random) -> bytes:
    """LDRD, STRD, LDM, STM, VLDR, VSTR."""
    kind = dice.choice((0xE9D0, 0xE9C0, 0xE890, 0xE880, 0xED90, 0xED80))
    if kind in (0xE9D0, 0xE9C0):
        first, second = dice.sample(range(CORE), 2)
        return _half(kind | _LINK, first << 12 | second << 8 | dice.randrange(WORDS - 1))
    if kind in (0xE890, 0xE880):
        registers = dice.sample(range(CORE), dice.randrange(2, WORDS + 1))
        return _half(kind | _LINK, sum(1 << register for register in registers))
    d = dice.randrange(FLOATS)
    return _half(kind | (d & 1) << 6 | _LINK, d >> 1 << 12 | 0x0A00 | dice.randrange(WORDS))


def _flags_of_float(dice: random.Random) -> bytes:
    """VMRS APSR_nzcv, FPSCR."""
    return _half(0xEEF1, 0xFA10)


_KINDS: tuple[Callable[[random.Random], bytes], ...] = (
    _shifted, _immediate, _shift, _multiply, _multiply_long, _divide, _parallel, _extend, _miscellaneous, _saturate,
    _field, _narrow, _pack, _float, _float_alone, _flags_of_float, _memory, _memory_words,
)  # fmt: skip
