"""The first cost model, and the care taken of numba's cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.timing.simple import SimpleTable, instruction_cost
from hil.timing.stale import forget_stale_code


@pytest.mark.parametrize(
    ("mnemonic", "operands", "cycles"),
    [
        ("adds", "r0, r0, #1", 1), ("mul", "r0, r1, r2", 1), ("smlad", "r0, r1, r2, r3", 1), ("ldr", "r0, [r1]", 2),
        ("ldrne", "r0, [r1]", 2), ("strb", "r0, [r1]", 1), ("push", "{r4, r5, lr}", 4), ("ldm.w", "r5, {r0, r1}", 3),
        ("pop.w", "{r4, r5, r6, pc}", 5), ("ldrd", "r0, r1, [r2]", 3), ("udiv", "r0, r0, r1", 7), ("bl", "#0x100", 1),
        ("vldr", "s0, [r0]", 2), ("vmla.f32", "s0, s1, s2", 3), ("vdiv.f32", "s0, s1, s2", 14), ("bls", "#0x10", 1),
        ("vpush", "{d8, d9}", 5), ("vldmia", "r3!, {s0, s1, s2, s3}", 5), ("mrs", "r0, ipsr", 2),
    ],
)  # fmt: skip
def test_cost_of_one_instruction(mnemonic: str, operands: str, cycles: int) -> None:
    assert instruction_cost(mnemonic, operands) == cycles


def test_cost_of_a_block_is_the_sum() -> None:
    push_ldr_nop = bytes.fromhex("30b5 0868 00bf")
    assert SimpleTable().block(0x0800_0000, push_ldr_nop) == 4 + 2 + 1


def test_halfwords_that_do_not_decode_cost_one_cycle() -> None:
    assert SimpleTable().block(0x0800_0000, bytes.fromhex("00bf ffff 00bf")) == 3


def test_cached_code_of_other_sources_is_deleted(tmp_path: Path) -> None:
    source = tmp_path / "hook.py"
    source.write_text("COST = 1\n")
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    compiled = cache / "hook.on_block-10.py311.1.nbc"
    compiled.write_bytes(b"machine code")
    assert forget_stale_code(tmp_path) and not compiled.exists()
    compiled.write_bytes(b"machine code")
    assert not forget_stale_code(tmp_path) and compiled.exists(), "nothing has changed since"
    source.write_text("COST = 2\n")
    assert forget_stale_code(tmp_path) and not compiled.exists()
