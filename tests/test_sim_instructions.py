"""The simulated core's instructions against models written in Python."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

import numpy as np
import pytest
from board_programs import DISCO, simulated
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.targets.sim import SimBoard
from hil.targets.sim.call import call

WORD = 0xFFFF_FFFF


def signed(value: int, bits: int = 32) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def low(value: int) -> int:
    return signed(value, 16)


def high(value: int) -> int:
    return signed(value >> 16, 16)


def saturate(value: int, bits: int = 32) -> int:
    return max(-(1 << bits - 1), min((1 << bits - 1) - 1, value))


def lanes(bits: int, each: Callable[[int, int], int]) -> Callable[..., int]:
    """A SIMD instruction from what it does to one lane of each operand, as unsigned."""
    mask = (1 << bits) - 1

    def whole(a: int, b: int, _c: int) -> int:
        return sum((each(a >> k & mask, b >> k & mask) & mask) << k for k in range(0, 32, bits))

    return whole


def reverse_bits(value: int) -> int:
    return int(f"{value:032b}"[::-1], 2)


def divide(a: int, b: int) -> int:
    return 0 if b == 0 else int(abs(a) // abs(b)) * (1 if (a < 0) == (b < 0) else -1)


INTEGER: dict[str, Callable[[int, int, int], int]] = {
    "adds_carry": lambda a, b, c: a + b >> 32,
    "sub_borrow": lambda a, b, c: int(a >= b),
    "smlad": lambda a, b, c: c + low(a) * low(b) + high(a) * high(b),
    "smladx": lambda a, b, c: c + low(a) * high(b) + high(a) * low(b),
    "smlabb": lambda a, b, c: c + low(a) * low(b),
    "smlabt": lambda a, b, c: c + low(a) * high(b),
    "smlatt": lambda a, b, c: c + high(a) * high(b),
    "smuad": lambda a, b, c: low(a) * low(b) + high(a) * high(b),
    "smusd": lambda a, b, c: low(a) * low(b) - high(a) * high(b),
    "smulwb": lambda a, b, c: signed(a) * low(b) >> 16,
    "smmul": lambda a, b, c: signed(a) * signed(b) >> 32,
    "smmulr": lambda a, b, c: signed(a) * signed(b) + (1 << 31) >> 32,
    "smmla": lambda a, b, c: (c << 32) + signed(a) * signed(b) >> 32,
    "smull_high": lambda a, b, c: signed(a) * signed(b) >> 32,
    "umull_high": lambda a, b, c: a * b >> 32,
    "mls": lambda a, b, c: c - a * b,
    "pkhbt": lambda a, b, c: (b << 16) & 0xFFFF_0000 | a & 0xFFFF,
    "pkhtb": lambda a, b, c: a & 0xFFFF_0000 | signed(b) >> 16 & 0xFFFF,
    "sxtb16": lambda a, b, c: signed(a, 8) & 0xFFFF | (signed(a >> 16, 8) & 0xFFFF) << 16,
    "sxtb16_ror8": lambda a, b, c: signed(a >> 8, 8) & 0xFFFF | (signed(a >> 24, 8) & 0xFFFF) << 16,
    "uxtb16": lambda a, b, c: a & 0x00FF_00FF,
    "sxtab16": lambda a, b, c: (a + signed(b, 8) & 0xFFFF) | ((a >> 16) + signed(b >> 16, 8) & 0xFFFF) << 16,
    "sadd16": lanes(16, lambda a, b: a + b),
    "qadd16": lanes(16, lambda a, b: saturate(signed(a, 16) + signed(b, 16), 16)),
    "qsub8": lanes(8, lambda a, b: saturate(signed(a, 8) - signed(b, 8), 8)),
    "uqadd8": lanes(8, lambda a, b: min(a + b, 255)),
    "uhadd8": lanes(8, lambda a, b: a + b >> 1),
    "usad8": lambda a, b, c: sum(abs((a >> k & 255) - (b >> k & 255)) for k in (0, 8, 16, 24)),
    "ssub8_sel": lanes(8, lambda a, b: a if signed(a, 8) >= signed(b, 8) else b),
    "qadd": lambda a, b, c: saturate(signed(a) + signed(b)),
    "qdsub": lambda a, b, c: saturate(signed(a) - saturate(2 * signed(b))),
    "ssat8": lambda a, b, c: saturate(signed(a), 8),
    "ssat8_asr4": lambda a, b, c: saturate(signed(a) >> 4, 8),
    "usat8": lambda a, b, c: max(0, min(255, signed(a))),
    "ssat16_8": lanes(16, lambda a, b: saturate(signed(a, 16), 8)),
    "clz": lambda a, b, c: 32 - a.bit_length(),
    "rbit": lambda a, b, c: reverse_bits(a),
    "rev16": lambda a, b, c: (a & 0x00FF_00FF) << 8 | a >> 8 & 0x00FF_00FF,
    "bfi": lambda a, b, c: a & ~(0x1FF << 5) | (b & 0x1FF) << 5,
    "sbfx": lambda a, b, c: signed(a >> 7, 11),
    "udiv": lambda a, b, c: a // b if b else 0,
    "sdiv": lambda a, b, c: divide(signed(a), signed(b)),
    "ror": lambda a, b, c: (a << 32 | a) >> (b & 31),
    "it_else": lambda a, b, c: 1 if a > b else 2,
}


def as_float(word: int) -> np.float32:
    return np.frombuffer(struct.pack("<I", word), np.float32)[0]


def as_word(value: float | np.float32) -> int:
    return struct.unpack("<I", struct.pack("<f", value))[0]


def fused(a: int, b: int, c: int) -> int:
    """a + b * c rounded once; exact for the small integers that the test uses."""
    return as_word(np.float32(float(as_float(a)) + float(as_float(b)) * float(as_float(c))))


def to_integer(value: float) -> int:
    return saturate(int(value))


FLOAT: dict[str, Callable[[int, int, int], int]] = {
    "vadd": lambda a, b, c: as_word(as_float(a) + as_float(b)),
    "vsub": lambda a, b, c: as_word(as_float(a) - as_float(b)),
    "vmul": lambda a, b, c: as_word(as_float(a) * as_float(b)),
    "vdiv": lambda a, b, c: as_word(as_float(a) / as_float(b)),
    "vsqrt": lambda a, b, c: as_word(np.sqrt(as_float(a & 0x7FFF_FFFF))),
    "vmla": lambda a, b, c: as_word(as_float(a) + np.float32(as_float(b) * as_float(c))),
    "vfma": fused,
    "vcvt_s32": lambda a, b, c: to_integer(math.trunc(float(as_float(a)))),
    "vcvtr_s32": lambda a, b, c: to_integer(round(float(as_float(a)))),
    "vcvt_f32": lambda a, b, c: as_word(np.float32(signed(a))),
    "vcmp_less": lambda a, b, c: int(as_float(a) < as_float(b)),
}
corners = st.sampled_from([0, 1, 0x7FFF_FFFF, 0x8000_0000, WORD, 0x8000_7FFF, 0x7F80_7F80])
words = st.one_of(st.integers(0, WORD), corners)
finite = st.floats(-(2.0**20), 2.0**20, width=32).map(as_word)


@pytest.fixture(scope="module")
def core() -> SimBoard:
    return simulated("instructions")


@pytest.mark.parametrize("name", INTEGER)
@settings(max_examples=15, deadline=None)
@given(a=words, b=words, c=words)
def test_integer_instruction(core: SimBoard, name: str, a: int, b: int, c: int) -> None:
    assert call(core, f"op_{name}", [a, b, c]).r0 == INTEGER[name](a, b, c) & WORD


@pytest.mark.parametrize("name", [name for name in FLOAT if name != "vfma"])
@settings(max_examples=15, deadline=None)
@given(a=finite, b=finite, c=finite)
def test_float_instruction(core: SimBoard, name: str, a: int, b: int, c: int) -> None:
    a = a & 0x7FFF_FFFF if name == "vsqrt" else a
    with np.errstate(all="ignore"):
        expected = FLOAT[name](a, b, c) & WORD
    got = call(core, f"op_{name}", [a, b, c]).r0
    both_nan = math.isnan(as_float(got)) and math.isnan(as_float(expected))
    assert got == expected or (both_nan and name == "vdiv")


def test_fused_multiply_add_rounds_once(core: SimBoard) -> None:
    just_above_one = as_word(1.0 + 2**-22)
    once = call(core, "op_vfma", [as_word(-1.0), just_above_one, just_above_one]).r0
    twice = call(core, "op_vmla", [as_word(-1.0), just_above_one, just_above_one]).r0
    assert as_float(once) == 2**-21 + 2**-44
    assert as_float(twice) == 2**-21


@pytest.mark.parametrize("offset", [0, 1, 2, 3])
def test_unaligned_load(core: SimBoard, offset: int) -> None:
    stored = struct.pack("<II", 0x1122_3344, ~0x1122_3344 & WORD)
    expected = int.from_bytes(stored[offset : offset + 4], "little")
    assert call(core, "load_unaligned", [0x1122_3344, offset]).r0 == expected


def test_exclusive_store_succeeds_unless_cleared(core: SimBoard) -> None:
    assert call(core, "add_exclusively", [5, 6, 0]).r0 == 11
    assert call(core, "add_exclusively", [5, 6, 1]).r0 == 5 + (1 << 31)


def test_load_from_a_new_page_under_it_leaves_no_condition_behind(core: SimBoard) -> None:
    page_never_touched = DISCO.sram.origin + 0x10000
    assert call(core, "load_under_it", [page_never_touched]).r0 == 20


@pytest.mark.parametrize("n", [0, 1, 2])
def test_table_branch(core: SimBoard, n: int) -> None:
    assert call(core, "jump_table", [n]).r0 == 20 + 10 * n
