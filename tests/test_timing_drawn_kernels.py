"""The fast model against the full one on drawn kernels: whatever they access, divide or skip, within 1 %."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import thumb as t
from test_timing_compiled import BOARD, ENTRY, STACK, _branch, _compute, _conditional, _memory, go_round

from hil.timing.cycles.core import Core
from hil.timing.cycles.program import Program, Segment
from hil.timing.statement import rules

BANKS = ((t.SRAM1 + 0x1000, 0x3000), (t.SRAM2 + 0x40, 0x2000), (t.CCM + 0x100, 0x4000))
TABLE, ROUNDS = t.FLASH + 0x8000, 100


def divide(rng: random.Random) -> bytes:
    """Of operands that the block itself computes."""
    a, b, c = (rng.randrange(6) for _ in range(3))
    return t.ssat(a, rng.randrange(2, 30), b) + rng.choice([t.udiv, t.sdiv])(c, a, b)


def kernel(seed: int, entry: int) -> Program:
    """A loop over loads, stores and arithmetic on three buffers, each in a drawn bank, and a table in flash."""
    rng = random.Random(seed)
    code = t.push(4, 5, 6, 7, 8, 9, 10, 11, t.LR)
    for register in (8, 9, 10):
        origin, size = rng.choice(BANKS)
        code += t.load_constant(register, origin + 4 * rng.randrange(size // 4))
    code += t.load_constant(11, TABLE + 4 * rng.randrange(64)) + t.movs(6, ROUNDS)
    loop, length = len(code), rng.choice([24, 60, 200, 500])
    while len(code) - loop < length:
        kind = rng.choices([_memory, _compute, divide, _conditional, None], [6, 4, 1, 2, 1])[0]
        code += kind(rng) if kind else _branch(rng, entry + len(code), entry - 0x200)
    code += go_round(len(code) - loop)
    leaf = Segment(entry - 0x200, t.adds(0, 1) + t.bx(t.LR))
    segments = leaf, Segment(TABLE, random.Random(seed).randbytes(0x400)), Segment(entry, code)
    return Program(Path("kernel.elf"), segments, {"f": entry})


@pytest.mark.parametrize("entry", [ENTRY, t.SRAM1 + 0x4200], ids=["flash", "sram"])
@pytest.mark.parametrize("seed", range(8))
def test_fast_is_within_1_percent_of_full_on_a_drawn_kernel(seed: int, entry: int) -> None:
    def cycles(mode: str) -> int:
        core = Core(kernel(seed, entry), BOARD, mode, rules.ALL, 0)  # type: ignore[arg-type]
        core.call(entry, (), STACK, 10**7)
        return core.call(entry, (), STACK, 10**7).cycles

    assert cycles("fast") == pytest.approx(cycles("full"), rel=0.01)
