"""What the simulated core finds out about a block of code before it runs."""

from __future__ import annotations

import struct
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unicorn import UC_ARCH_ARM, UC_MODE_MCLASS, UC_MODE_THUMB, Uc
from unicorn import arm_const as uc_arm

from hil.targets.sim.core.bases import Residue, known_residues
from hil.targets.sim.core.blocks import (
    SP,
    Check,
    analyse,
    decode,
    divisor,
    keeps_to_registers,
    multiple_base,
    stack_step,
    uses_fpu,
)
from hil.timing.compiled.blockhook import CHECK_ALIGNED, CHECK_DIVISOR, CHECK_STACK, FLAG_CHECKS, FLAG_FPU, FLAG_SPIN

START = 0x0800_0100
# encodings as arm-none-eabi-as makes them
LDM_R5 = (0xCD0F,)  # ldmia r5!, {r0-r3}
LDM_W_R5 = (0xE895, 0x000F)  # ldmia.w r5, {r0-r3}
LDRD_R1 = (0xE9D1, 0x2803)  # ldrd r2, r8, [r1, #12]
LDRD_SP = (0xE9DD, 0xC31A)  # ldrd ip, r3, [sp, #104]
STRD_R4_BACK = (0xE944, 0x0102)  # strd r0, r1, [r4, #-8]
LDRD_POST = (0xE8F1, 0x2304)  # ldrd r2, r3, [r1], #16
VLDR_R0 = (0xED90, 0x0A02)  # vldr s0, [r0, #8]
VLDM_R3 = (0xECB3, 0x0A04)  # vldmia r3!, {s0-s3}
VMOV_PAIR = (0xEC51, 0x0A10)  # vmov r0, r1, s0, s1
VADD = (0xEE30, 0x0A27)
TBB = (0xE8DF, 0xF001)  # tbb [pc, r1]
LDREX = (0xE853, 0x2F00)
UDIV = (0xFBB8, 0xF3F3)  # udiv r3, r8, r3
IT_CS = (0xBF28,)
MOV_R5_R8 = (0x4645,)
ADDS_R5_16 = (0x3510,)
EOR_R5 = (0xEA85, 0x0506)
NOP = (0xBF00,)


def code(*instructions: tuple[int, ...]) -> bytes:
    halfwords = [halfword for instruction in instructions for halfword in instruction]
    return struct.pack(f"<{len(halfwords)}H", *halfwords)


def only(instruction: tuple[int, ...]):  # type: ignore[no-untyped-def]
    return next(decode(START, code(instruction)))


def test_decoding_follows_widths_and_it_blocks() -> None:
    found = list(decode(START, code(NOP, LDM_W_R5, IT_CS, NOP, NOP)))
    assert [(i.address - START, i.size, i.conditional) for i in found] == [
        (0, 2, False), (2, 4, False), (6, 2, False), (8, 2, True), (10, 2, False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        (LDM_R5, (5, 0)), (LDM_W_R5, (5, 0)), (LDRD_R1, (1, 12)), (STRD_R4_BACK, (4, -8)), (LDRD_POST, (1, 0)),
        (VLDR_R0, (0, 8)), (VLDM_R3, (3, 0)), (LDRD_SP, None), (VMOV_PAIR, None), (TBB, None), (LDREX, None),
        (UDIV, None), (NOP, None),
    ],
)  # fmt: skip
def test_accesses_that_must_be_aligned(instruction: tuple[int, ...], expected: tuple[int, int] | None) -> None:
    assert multiple_base(only(instruction)) == expected


def test_divisions_and_floats_are_recognised() -> None:
    assert divisor(only(UDIV)) == 3
    assert divisor(only(VADD)) is None
    assert [uses_fpu(only(i)) for i in (VADD, VLDR_R0, VMOV_PAIR, LDRD_R1, UDIV)] == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("instruction", "step"),
    [
        ((0xB5F0,), -20),  # push {r4-r7, lr}
        ((0xBDF0,), 20),  # pop {r4-r7, pc}
        ((0xB082,), -8),  # sub sp, #8
        ((0xB002,), 8),  # add sp, #8
        ((0xE92D, 0x4FF0), -36),  # stmdb sp!, {r4-r11, lr}
        ((0xED2D, 0x8B04), -16),  # vpush {d8-d9}
        ((0xF84D, 0x4D04), -4),  # str r4, [sp, #-4]!
        ((0xF85D, 0x4B04), 4),  # ldr r4, [sp], #4
        ((0xF5AD, 0x5D80), -4096),  # sub.w sp, sp, #4096
        ((0xF2AD, 0x4D04), -1028),  # subw sp, sp, #1028
        ((0xE96D, 0x0104), -16),  # strd r0, r1, [sp, #-16]!
        ((0xB403,), -8),  # push {r0, r1}
        (NOP, None),
        (LDRD_SP, None),
    ],
)
def test_steps_of_the_stack_pointer(instruction: tuple[int, ...], step: int | None) -> None:
    assert stack_step(only(instruction)) == step


def summary(check: Check) -> tuple[int, dict[int, int], int]:
    """A check's kind, its registers with their coefficients, and its offset."""
    return check.kind, {n: c for n, c in enumerate(check.coefficients) if c}, check.offset


def test_lowest_stack_pointer_of_a_block() -> None:
    block = analyse(START, code((0xB510,), (0xB084,), (0xB004,), (0xBD10,)))
    assert summary(block.checks[0]) == (CHECK_STACK, {SP: 1}, -24)
    assert block.checks[0].pc == START + 2
    assert block.flags & FLAG_CHECKS


def test_base_known_at_the_entry_is_checked_there() -> None:
    block = analyse(START, code(MOV_R5_R8, LDM_R5, LDM_W_R5))
    assert [summary(check) for check in block.checks] == [(CHECK_ALIGNED, {8: 1}, 0)] * 2
    assert not block.late


def test_index_times_a_multiple_of_four_needs_no_check() -> None:
    times_12 = analyse(START, code((0xEB04, 0x0444), (0xEB0D, 0x0584), LDM_W_R5))  # r4 += r4 << 1; r5 = sp + r4 << 2
    assert [summary(check) for check in times_12.checks] == [(CHECK_ALIGNED, {SP: 1}, 0)]


def test_constant_address_is_decided_at_once() -> None:
    literal = (0x4D01,)  # ldr r5, [pc, #4], which is at START + 8
    assert not analyse(START, code(literal, LDM_W_R5), lambda at: 0x2000_0000 if at == START + 8 else None).checks
    block = analyse(START, code(literal, LDM_W_R5), lambda at: 0x2000_0002 if at == START + 8 else None)
    assert [summary(check) for check in block.checks] == [(CHECK_ALIGNED, {}, 2)]


def test_base_computed_in_the_block_is_checked_late_and_once() -> None:
    block = analyse(START, code(EOR_R5, LDM_W_R5, NOP, LDM_W_R5))
    assert [(summary(check), check.pc) for check in block.late] == [((CHECK_ALIGNED, {5: 1}, 0), START + 4)]
    assert not block.checks


def test_base_that_changes_between_is_checked_late_twice() -> None:
    block = analyse(START, code(EOR_R5, LDM_W_R5, EOR_R5, LDM_W_R5))
    assert [check.pc for check in block.late] == [START + 4, START + 12]


def test_conditional_access_is_checked_late() -> None:
    block = analyse(START, code(IT_CS, LDM_W_R5, NOP))
    assert [c.pc for c in block.late] == [START + 2] and block.has_it


def test_divisor_moved_by_a_constant_is_checked_late() -> None:
    block = analyse(START, code((0x3301,), UDIV))  # adds r3, #1
    assert [summary(check) for check in block.late] == [(CHECK_DIVISOR, {3: 1}, 0)]
    assert [summary(check) for check in analyse(START, code(UDIV)).checks] == [(CHECK_DIVISOR, {3: 1}, 0)]


def test_flags_of_a_block() -> None:
    assert analyse(START, code(VADD)).flags == FLAG_FPU
    assert analyse(START, code((0xE7FE,))).flags == FLAG_SPIN
    assert analyse(START, code(NOP, (0xE7FD,))).flags == 0


MIXTURE = [
    MOV_R5_R8, ADDS_R5_16, EOR_R5, NOP, (0xEB04, 0x0444), (0xEB0D, 0x0584), (0x3301,), (0x3D03,),
    (0x1B6D,), (0x00AD,), (0x006D,), (0xFB04, 0x5503), (0xFB04, 0x5513), (0x436B,), (0xF1C5, 0x0507), (0x4425,),
    (0xF240, 0x0503), (0xF2C2, 0x0500), (0x2503,), (0x462B,), (0xF105, 0x0506), (0xF2A5, 0x0501), (0x1D2C,), (0x086D,),
    (0xBF28, 0x3501), (0xF04F, 0x0506), (0x19AD,),
]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(MIXTURE), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_what_is_known_of_registers_is_true(instructions: list[tuple[int, ...]], random: Random) -> None:
    image = code(*instructions, NOP)
    values = [random.getrandbits(32) for _ in range(13)]
    _, known = list(known_residues(START, image, lambda _: None))[-1]
    uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
    uc.ctl_set_cpu_model(uc_arm.UC_CPU_ARM_CORTEX_M4)
    uc.mem_map(0x0800_0000, 0x1000)
    uc.mem_write(START, image)
    for n, value in enumerate(values):
        uc.reg_write(uc_arm.UC_ARM_REG_R0 + n, value)
    uc.reg_write(uc_arm.UC_ARM_REG_SP, values_sp := random.getrandbits(28) * 4)
    uc.emu_start(START | 1, START + len(image))
    entry = [*values, values_sp, 0, 0]
    for n in range(13):
        value = known[n]
        if isinstance(value, Residue):
            expected = sum(c * r for c, r in zip(value.coefficients, entry, strict=True)) + value.constant
            assert (uc.reg_read(uc_arm.UC_ARM_REG_R0 + n) - expected) % 4 == 0
        if isinstance(value, Residue) and value.copy_of is not None:
            assert uc.reg_read(uc_arm.UC_ARM_REG_R0 + n) == entry[value.copy_of]


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [((NOP, (0x6813,)), True), (((0x6013,),), False), (((0xB500,),), False), (((0xDF00,),), False)],
)
def test_blocks_without_effects(instructions: tuple[tuple[int, ...], ...], expected: bool) -> None:
    """ldr r3, [r2] has none; str, push and svc have."""
    assert keeps_to_registers(START, code(*instructions)) is expected
