"""Thumb code and ELF files without a compiler: encoders for the instructions the timing tests need, and a minimal ELF
writer.

Encodings are from the ARMv7-M Architecture Reference Manual, chapter A7.7 (T1 is the 16-bit form, T2 to T4 the 32-bit
ones).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

SP, LR, PC = 13, 14, 15
FLASH, SRAM1, SRAM2, CCM = 0x0800_0000, 0x2000_0000, 0x2001_C000, 0x1000_0000


def half(*halfwords: int) -> bytes:
    """Halfwords as they lie in memory."""
    return struct.pack(f"<{len(halfwords)}H", *halfwords)


def nop() -> bytes:
    return half(0xBF00)


def mov(rd: int, rm: int) -> bytes:
    """MOV Rd, Rm (T1): 16 bits."""
    return half(0x4600 | (rd & 8) << 4 | rm << 3 | rd & 7)


def mov_wide(rd: int, rm: int) -> bytes:
    """MOV.W Rd, Rm (T3): 32 bits."""
    return half(0xEA4F, rd << 8 | rm)


def movs(rd: int, value: int) -> bytes:
    return half(0x2000 | rd << 8 | value)


def add_wide(rd: int, rn: int, rm: int) -> bytes:
    return half(0xEB00 | rn, rd << 8 | rm)


def adds(rd: int, value: int) -> bytes:
    """ADDS Rd, #value (T2): 16 bits."""
    return half(0x3000 | rd << 8 | value)


def cmp(rn: int, value: int) -> bytes:
    return half(0x2800 | rn << 8 | value)


def load_constant(rd: int, value: int) -> bytes:
    """MOVW, MOVT."""

    def one(opcode: int, word: int) -> bytes:
        i, imm3, imm8 = word >> 11 & 1, word >> 8 & 7, word & 0xFF
        return half(opcode | i << 10 | word >> 12, imm3 << 12 | rd << 8 | imm8)

    return one(0xF240, value & 0xFFFF) + one(0xF2C0, value >> 16)


def ldr(rt: int, rn: int, offset: int = 0) -> bytes:
    """LDR.W Rt, [Rn, #offset] (T3)."""
    return half(0xF8D0 | rn, rt << 12 | offset)


def ldr_narrow(rt: int, rn: int, offset: int = 0) -> bytes:
    """LDR Rt, [Rn, #offset] (T1): 16 bits."""
    return half(0x6800 | (offset // 4) << 6 | rn << 3 | rt)


def ldr_literal(rt: int, offset: int) -> bytes:
    """LDR Rt, [PC, #offset] (T1): 16 bits."""
    return half(0x4800 | rt << 8 | offset // 4)


def ldrh(rt: int, rn: int, offset: int = 0) -> bytes:
    return half(0xF8B0 | rn, rt << 12 | offset)


def ldr_back(rt: int, rn: int, step: int) -> bytes:
    """LDR Rt, [Rn], #step (T4, post-indexed)."""
    return half(0xF850 | rn, rt << 12 | 0xB00 | step)


def ldr_index(rt: int, rn: int, rm: int) -> bytes:
    """LDR.W rt, [rn, rm, LSL #2]."""
    return half(0xF850 | rn, rt << 12 | 2 << 4 | rm)


def ssat(rd: int, bits: int, rn: int) -> bytes:
    return half(0xF300 | rn, rd << 8 | bits - 1)


def str_(rt: int, rn: int, offset: int = 0) -> bytes:
    return half(0xF8C0 | rn, rt << 12 | offset)


def str_register(rt: int, rn: int, rm: int) -> bytes:
    return half(0xF840 | rn, rt << 12 | rm)


def str_back(rt: int, rn: int, step: int) -> bytes:
    return half(0xF840 | rn, rt << 12 | 0xB00 | step)


def ldrd(rt: int, rt2: int, rn: int, offset: int = 0) -> bytes:
    return half(0xE9D0 | rn, rt << 12 | rt2 << 8 | offset // 4)


def strd(rt: int, rt2: int, rn: int, offset: int = 0) -> bytes:
    return half(0xE9C0 | rn, rt << 12 | rt2 << 8 | offset // 4)


def ldm(rn: int, *registers: int) -> bytes:
    return half(0xE890 | rn, sum(1 << register for register in registers))


def stm(rn: int, *registers: int) -> bytes:
    return half(0xE880 | rn, sum(1 << register for register in registers))


def push(*registers: int) -> bytes:
    """PUSH.W (T2)."""
    return half(0xE92D, sum(1 << register for register in registers))


def pop(*registers: int) -> bytes:
    """POP.W (T2)."""
    return half(0xE8BD, sum(1 << register for register in registers))


def bx(rm: int) -> bytes:
    return half(0x4700 | rm << 3)


def b(distance: int) -> bytes:
    """B (T2) to its own address + distance: 16 bits."""
    return half(0xE000 | (distance - 4) >> 1 & 0x7FF)


def b_if(condition: int, distance: int) -> bytes:
    """B<c> (T1): 16 bits. Conditions: 0 EQ, 1 NE, 8 HI, 10 GE, 11 LT."""
    return half(0xD000 | condition << 8 | (distance - 4) >> 1 & 0xFF)


def cbz(rn: int, distance: int) -> bytes:
    step = distance - 4 >> 1
    return half(0xB100 | (step >> 5 & 1) << 9 | (step & 31) << 3 | rn)


def bl(distance: int) -> bytes:
    offset = distance - 4
    sign = offset >> 24 & 1
    j1, j2 = ~(offset >> 23 & 1 ^ sign) & 1, ~(offset >> 22 & 1 ^ sign) & 1
    return half(0xF000 | sign << 10 | offset >> 12 & 0x3FF, 0xD000 | j1 << 13 | j2 << 11 | offset >> 1 & 0x7FF)


def it(condition: int, mask: int) -> bytes:
    """IT with its raw mask: 8 covers one instruction, 4 two (both on the condition, for an even one)."""
    return half(0xBF00 | condition << 4 | mask)


def udiv(rd: int, rn: int, rm: int) -> bytes:
    return half(0xFBB0 | rn, 0xF0F0 | rd << 8 | rm)


def sdiv(rd: int, rn: int, rm: int) -> bytes:
    return half(0xFB90 | rn, 0xF0F0 | rd << 8 | rm)


def tbb(rn: int, rm: int) -> bytes:
    return half(0xE8D0 | rn, 0xF000 | rm)


def mrs_primask(rd: int) -> bytes:
    return half(0xF3EF, 0x8000 | rd << 8 | 0x10)


def _fp(opcode: int, low: int, sd: int, sn: int, sm: int) -> bytes:
    first = opcode | (sd & 1) << 6 | sn >> 1
    return half(first, sd >> 1 << 12 | low | (sn & 1) << 7 | (sm & 1) << 5 | sm >> 1)


def vadd(sd: int, sn: int, sm: int) -> bytes:
    return _fp(0xEE30, 0x0A00, sd, sn, sm)


def vmla(sd: int, sn: int, sm: int) -> bytes:
    return _fp(0xEE00, 0x0A00, sd, sn, sm)


def vdiv(sd: int, sn: int, sm: int) -> bytes:
    return _fp(0xEE80, 0x0A00, sd, sn, sm)


def vmov_to_core(rt: int, sn: int) -> bytes:
    return half(0xEE10 | sn >> 1, rt << 12 | 0x0A10 | (sn & 1) << 7)


def vmov_pair_to_core(rt: int, rt2: int, sm: int) -> bytes:
    return half(0xEC50 | rt2, rt << 12 | 0x0A10 | (sm & 1) << 5 | sm >> 1)


def vldr(sd: int, rn: int, offset: int = 0) -> bytes:
    return half(0xED90 | (sd & 1) << 6 | rn, sd >> 1 << 12 | 0x0A00 | offset // 4)


def vldr_double(dd: int, rn: int, offset: int = 0) -> bytes:
    return half(0xED90 | rn, dd << 12 | 0x0B00 | offset // 4)


EM_ARM, ET_EXEC = 40, 2


def write_elf(
    path: Path,
    segments: Mapping[int, bytes],
    functions: Mapping[str, int],
    *,
    stored_at: Mapping[int, int] | None = None,
    machine: int = EM_ARM,
    kind: int = ET_EXEC,
    thumb_bit: int = 1,
) -> Path:
    """Write an executable with a section and a segment for each stretch of bytes (the key is its VMA) and a symbol
    table.

    stored_at: the LMA of a segment, by its VMA, where they differ.
    """
    stored = stored_at or {}
    names = b"\0.text\0.symtab\0.strtab\0"
    strings, symbols = b"\0", struct.pack("<IIIBBH", 0, 0, 0, 0, 0, 0)
    for name, address in functions.items():
        symbols += struct.pack("<IIIBBH", len(strings), address | thumb_bit, 0, 0x12, 0, 1)
        strings += name.encode() + b"\0"
    count = len(segments)
    offset = 52 + 32 * count
    headers, bodies, sections = b"", b"", struct.pack("<10I", *[0] * 10)
    for address, data in segments.items():
        where = offset + len(bodies)
        headers += struct.pack("<8I", 1, where, address, stored.get(address, address), len(data), len(data), 7, 4)
        sections += struct.pack("<10I", 1, 1, 6, address, where, len(data), 0, 0, 4, 0)
        bodies += data
    for data, section in ((symbols, 2), (strings, 3), (names, 3)):
        where = offset + len(bodies)
        link, entry = (count + 2, 16) if section == 2 else (0, 0)
        name = names.index(b".symtab" if section == 2 else b".strtab")
        sections += struct.pack("<10I", name, section, 0, 0, where, len(data), link, 1 if section == 2 else 0, 4, entry)
        bodies += data
    sizes = 52, 32, count, 40, count + 4, count + 3
    where = offset + len(bodies)
    start = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\1\1\1", kind, machine, 1, 0, 52, where, 0x0500_0000, *sizes)
    path.write_bytes(start + headers + bodies + sections)
    return path
