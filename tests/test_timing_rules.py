"""Each timing rule on a short sequence, the expected count worked out by hand from the rule.

Counts run from the first instruction's execution to the cycle from which the next may execute. All instructions are 32
bits wide where it does not matter, and so are fetched one a cycle; addresses start at a word.
"""

from __future__ import annotations

import pytest
import thumb as t
from thumb import SRAM1, SRAM2

from hil.timing.statement import rules
from hil.timing.statement.decode import Decoder
from hil.timing.statement.instruction import Executed
from hil.timing.statement.pipeline import Pipeline

START = 0x0800_0100
EQ, GE = 0, 10


def cycles(
    *code: bytes,
    at: dict[int, int] | None = None,
    taken: dict[int, int] | None = None,
    failed: tuple[int, ...] = (),
    operands: dict[int, tuple[int, int]] | None = None,
    without: tuple[str, ...] = (),
    start: int = START,
) -> int:
    """Cycles of instructions executed one after the other.

    at: data address of the k-th (default: SRAM1). taken: the k-th branches to an offset from the start, where the next
    one lies.
    """
    pipeline = Pipeline(rules.without(without))
    address, steps = start, []
    for k, one in enumerate(code):
        decoder = Decoder(lambda where, size, one=one, base=address: one[where - base : where - base + size])
        instruction = decoder.at(address)
        assert instruction.size == len(one)
        address = start + taken[k] if taken and k in taken else instruction.end
        data = (at or {}).get(k, SRAM1) if instruction.operand else None
        steps.append(Executed(instruction, address, data, (operands or {}).get(k), k not in failed))
    pipeline.start(start)
    for step in steps:
        pipeline.execute(step)
    return pipeline.cycle


ALU = t.add_wide(0, 1, 2)


def test_without_any_rule_every_instruction_takes_one_cycle() -> None:
    code = [t.ldr(0, 1), t.push(4, 5, 6), t.udiv(0, 1, 2), t.vdiv(0, 1, 2), t.str_register(0, 1, 2), t.it(EQ, 8), ALU]
    assert cycles(*code, without=("all",)) == 7


def test_data_processing_takes_one() -> None:
    assert cycles(ALU, ALU, ALU) == 3


def test_load_takes_two() -> None:
    assert cycles(t.ldr(0, 1), ALU) == 2 + 1
    assert cycles(t.ldr(0, 1), ALU, without=("load",)) == 1 + 1


def test_store_with_register_offset_takes_two() -> None:
    assert cycles(t.str_(0, 1), ALU) == 1 + 1
    assert cycles(t.str_register(0, 1, 2), ALU) == 2 + 1
    assert cycles(t.str_register(0, 1, 2), ALU, without=("store-register-offset",)) == 1 + 1


def test_multiple_takes_one_and_one_a_word() -> None:
    assert cycles(t.push(4, 5, 6)) == 1 + 3
    assert cycles(t.ldm(1, 4, 5)) == 1 + 2
    assert cycles(t.ldm(1, 4, 5), without=("multiple",)) == 1


def test_pair_takes_three() -> None:
    assert cycles(t.ldrd(2, 3, 1)) == 3
    assert cycles(t.strd(2, 3, 1)) == 3
    assert cycles(t.vldr_double(0, 1)) == 3
    assert cycles(t.ldrd(2, 3, 1), without=("pair",)) == 1


def test_unaligned_word_and_halfword() -> None:
    assert cycles(t.ldr(0, 1), ALU, at={0: SRAM1 + 2}) == 2 + 1 + 1
    assert cycles(t.ldr(0, 1), ALU, at={0: SRAM1 + 1}) == 2 + 2 + 1
    assert cycles(t.ldrh(0, 1), ALU, at={0: SRAM1 + 1}) == 2 + 1 + 1
    assert cycles(t.ldrh(0, 1), ALU, at={0: SRAM1 + 2}) == 2 + 1
    assert cycles(t.ldr(0, 1), ALU, at={0: SRAM1 + 1}, without=("unaligned",)) == 2 + 1


@pytest.mark.parametrize(
    ("dividend", "divisor", "expected"),
    [(5, 9, 2), (9, 0, 2), (9, 9, 3), (0xFF, 0xF, 4), (0xFFFF_FFFF, 1, 10), (0, 0, 2)],
)
def test_divide_by_its_operands(dividend: int, divisor: int, expected: int) -> None:
    # 0xFF / 0xF: 8 - 4 = 4 bits more, 3 + 4 // 4; 0xFFFFFFFF / 1: 31 bits more, 3 + 31 // 4
    assert cycles(t.udiv(0, 1, 2), operands={0: (dividend, divisor)}) == expected


def test_signed_divide_goes_by_magnitudes() -> None:
    minus_nine = 0xFFFF_FFF7
    assert cycles(t.sdiv(0, 1, 2), operands={0: (minus_nine, 9)}) == 3
    assert cycles(t.udiv(0, 1, 2), operands={0: (minus_nine, 9)}) == 3 + (32 - 4) // 4
    assert cycles(t.sdiv(0, 1, 2), operands={0: (minus_nine, 9)}, without=("divide",)) == 1


def test_floating_point_costs() -> None:
    assert cycles(t.vadd(0, 1, 2)) == 1
    assert cycles(t.vmla(0, 1, 2)) == 3
    assert cycles(t.vdiv(0, 1, 2)) == 14
    assert cycles(t.vmov_to_core(0, 1)) == 1
    assert cycles(t.vmov_pair_to_core(0, 1, 2)) == 2
    assert cycles(t.vdiv(0, 1, 2), without=("fp-multicycle",)) == 1


def test_fp_result_is_late_for_the_next_but_not_as_an_addend() -> None:
    assert cycles(t.vadd(0, 1, 2), t.vadd(3, 0, 2)) == 1 + 1 + 1
    assert cycles(t.vadd(0, 1, 2), t.vadd(3, 4, 5)) == 1 + 1
    assert cycles(t.vadd(0, 1, 2), t.vmla(0, 4, 5)) == 1 + 3
    assert cycles(t.vadd(0, 1, 2), t.vmla(3, 0, 5)) == 1 + 1 + 3
    assert cycles(t.vadd(0, 1, 2), ALU, t.vadd(3, 0, 2)) == 3
    assert cycles(t.vadd(0, 1, 2), t.vadd(3, 0, 2), without=("fp-result",)) == 2


def test_special_register_access_takes_two() -> None:
    assert cycles(t.mrs_primask(0)) == 2
    assert cycles(t.mrs_primask(0), without=("system",)) == 1


# -- loads and stores in a row


def test_load_before_a_single_load_or_store_takes_one() -> None:
    assert cycles(t.ldr(0, 1), t.ldr(2, 3), ALU) == 1 + 2 + 1
    assert cycles(t.ldr(0, 1), t.str_(2, 3), ALU) == 1 + 1 + 1
    assert cycles(t.vldr(0, 1), t.ldr(2, 3), ALU) == 1 + 2 + 1
    assert cycles(t.ldr(0, 1), t.ldr(2, 3), ALU, without=("load-overlap",)) == 2 + 2 + 1


def test_the_stored_register_may_be_the_one_loaded() -> None:
    assert cycles(t.ldr(0, 1), t.str_(0, 3), ALU) == 1 + 1 + 1


def test_no_overlap_where_the_address_needs_the_loaded_register() -> None:
    assert cycles(t.ldr(0, 1), t.ldr(2, 0), ALU) == 2 + 2 + 1


def test_the_base_that_a_load_wrote_back_is_no_obstacle() -> None:
    assert cycles(t.ldr_back(0, 1, 4), t.ldr(2, 1), ALU) == 1 + 2 + 1


def test_no_overlap_with_pairs_and_multiples() -> None:
    assert cycles(t.ldr(0, 1), t.ldrd(2, 3, 4)) == 2 + 3
    assert cycles(t.ldr(0, 1), t.ldm(4, 2, 3)) == 2 + 3


@pytest.mark.parametrize("other", [SRAM2, 0x1000_0000, 0x0800_0000, 0x4000_0000])
def test_no_overlap_across_bus_slaves(other: int) -> None:
    code = t.ldr(0, 1), t.ldr(2, 3), ALU
    assert cycles(*code, at={0: SRAM1, 1: other}) == 2 + 2 + 1
    assert cycles(*code, at={0: other, 1: other}) == 1 + 2 + 1
    assert cycles(*code, at={0: SRAM1, 1: other}, without=("bus-slaves",)) == 1 + 2 + 1


SDRAM = 0xD000_0000
ROW = 512  # bytes
OPENED, LATENCY, HALFWORD = 8, 7, 2


def test_sdram_costs_latency_halfwords_and_a_row_to_be_opened() -> None:
    assert cycles(t.ldr(0, 1), at={0: SDRAM}) == 2 + OPENED + LATENCY + 2 * HALFWORD
    assert cycles(t.ldrh(0, 1), at={0: SDRAM}) == 2 + OPENED + LATENCY + HALFWORD
    assert cycles(t.ldm(1, 2, 3, 4), at={0: SDRAM}) == 1 + 3 + OPENED + LATENCY + 6 * HALFWORD
    assert cycles(t.str_(0, 1), at={0: SDRAM}) == 1 + OPENED + 2 * HALFWORD
    assert cycles(t.ldr(0, 1), at={0: SDRAM}, without=("sdram",)) == 2


def test_each_of_the_sdram_s_four_banks_keeps_a_row_open() -> None:
    def two(second: int) -> int:
        return cycles(t.ldr(0, 1), ALU, t.ldr(2, 1), at={0: SDRAM, 2: second}) - 2 * (2 + LATENCY + 2 * HALFWORD) - 1

    bank = 1 << 21
    assert two(SDRAM + ROW - 4) == OPENED
    assert two(SDRAM + ROW) == two(SDRAM + bank) == 2 * OPENED
    back = cycles(t.ldr(0, 1), ALU, t.ldr(2, 1), ALU, t.ldr(3, 1), at={0: SDRAM, 2: SDRAM + bank, 4: SDRAM + 4})
    assert back == 3 * (2 + LATENCY + 2 * HALFWORD) + 2 + 2 * OPENED


def test_loads_from_sdram_overlap_with_each_other_only() -> None:
    read = OPENED + LATENCY + 2 * HALFWORD
    assert cycles(t.ldr(0, 1), t.ldr(2, 1), at={0: SDRAM, 1: SDRAM + 4}) == 1 + read + 2 + read - OPENED
    assert cycles(t.ldr(0, 1), t.ldr(2, 1), at={0: SDRAM, 1: SRAM1}) == 2 + read + 2


def test_load_behind_a_store_waits() -> None:
    assert cycles(t.str_(0, 1), t.ldr(2, 3), ALU) == 1 + 1 + 2 + 1
    assert cycles(t.str_(0, 1), t.ldm(4, 2, 3)) == 1 + 1 + 3
    assert cycles(t.strd(0, 5, 1), t.ldrd(2, 3, 4)) == 3 + 1 + 3
    assert cycles(t.str_(0, 1), t.str_(2, 3), ALU) == 1 + 1 + 1
    assert cycles(t.str_(0, 1), ALU, t.ldr(2, 3), ALU) == 1 + 1 + 2 + 1
    assert cycles(t.stm(1, 0, 2), t.ldr(2, 3), ALU) == 3 + 2 + 1
    assert cycles(t.str_(0, 1), t.ldr(2, 3), ALU, without=("store-load",)) == 1 + 2 + 1


def test_write_back_on_the_same_base_costs_one() -> None:
    assert cycles(t.str_back(0, 1, 4), t.str_back(2, 1, 4), ALU) == 1 + 1 + 1 + 1
    assert cycles(t.str_back(0, 1, 4), t.str_back(2, 3, 4), ALU) == 1 + 1 + 1
    assert cycles(t.str_back(0, 1, 4), t.str_back(2, 1, 4), ALU, without=("write-back",)) == 1 + 1 + 1


def test_address_written_by_the_instruction_before_costs_one() -> None:
    assert cycles(t.mov_wide(1, 2), t.ldr(0, 1), ALU) == 1 + 1 + 2 + 1
    assert cycles(t.mov_wide(1, 2), ALU, t.ldr(0, 1), ALU) == 1 + 1 + 2 + 1
    assert cycles(t.vmov_to_core(1, 2), t.str_(0, 1), ALU) == 1 + 1 + 1 + 1
    assert cycles(t.mov_wide(1, 2), t.str_(1, 3), ALU) == 1 + 1 + 1  # data, not address
    assert cycles(t.mov_wide(1, 2), t.ldr(0, 1), ALU, without=("address-stall",)) == 1 + 2 + 1


def test_of_two_registers_that_vmov_writes_only_the_second_is_late() -> None:
    assert cycles(t.vmov_pair_to_core(1, 2, 4), t.ldr(0, 1), ALU) == 2 + 2 + 1
    assert cycles(t.vmov_pair_to_core(1, 2, 4), t.ldr(0, 2), ALU) == 2 + 1 + 2 + 1


# -- IT


def test_it_is_free_after_a_narrow_instruction_only() -> None:
    covered = t.mov(0, 1)
    assert cycles(t.nop(), t.it(EQ, 8), covered, ALU) == 1 + 0 + 1 + 1
    assert cycles(ALU, t.it(EQ, 8), covered, ALU) == 1 + 1 + 1 + 1
    assert cycles(t.nop(), t.it(EQ, 8), covered, ALU, without=("it-folding",)) == 1 + 1 + 1 + 1


def test_an_instruction_whose_condition_fails_takes_one() -> None:
    assert cycles(t.nop(), t.it(EQ, 8), t.ldr(0, 1), ALU) == 1 + 2 + 1
    assert cycles(t.nop(), t.it(EQ, 8), t.ldr(0, 1), ALU, failed=(2,)) == 1 + 1 + 1
    assert cycles(t.nop(), t.it(EQ, 8), t.mov(1, 2), t.ldr(0, 1), failed=(2,)) == 1 + 1 + 2  # r1 was not written


# -- branches and fetch; the last instruction tells when the target executes


def to_target(*code: bytes, target: int, without: tuple[str, ...] = (), landing: bytes = ALU) -> int:
    """Cycles of code whose last instruction is a taken branch, to the execution of its target."""
    count = len(code) - 1
    return cycles(*code, landing, taken={count: target}, without=without) - 1


def test_taken_immediate_branches_take_two() -> None:
    assert to_target(t.b(64), target=64) == 2
    assert to_target(t.bl(64), target=64) == 2
    assert to_target(t.cbz(0, 64), target=64) == 2
    assert to_target(t.b_if(GE, 64), target=64) == 2


def test_a_wide_target_at_half_a_word_takes_one_more() -> None:
    assert to_target(t.b(66), target=66) == 3
    assert to_target(t.b(66), target=66, landing=t.nop()) == 2


def test_branch_to_a_register_takes_three() -> None:
    assert to_target(t.bx(t.LR), target=64) == 3
    assert to_target(t.mov(t.PC, 0), target=64) == 3


def test_loads_of_the_pc() -> None:
    assert to_target(t.pop(4, 5, t.PC), target=64) == 1 + 3 + 3
    assert to_target(t.ldr(t.PC, 1), target=64) == 5
    assert to_target(t.tbb(t.PC, 0), target=64) == 6


def test_without_refill_a_taken_branch_takes_one() -> None:
    assert to_target(t.b(64), target=64, without=("branch-refill",)) == 1
    assert to_target(t.bx(t.LR), target=64, without=("branch-refill",)) == 1


def test_without_the_fetch_queue_refills_are_fixed() -> None:
    assert to_target(t.b(66), target=66, without=("fetch-queue",)) == 2
    assert to_target(t.bx(t.LR), target=64, without=("fetch-queue",)) == 3


def test_without_early_target_an_immediate_branch_takes_three() -> None:
    assert to_target(t.b(64), target=64, without=("early-target",)) == 3


def test_a_conditional_branch_not_taken_steals_a_fetch() -> None:
    # Words 0.. are asked for in cycles -3, -2, -1. The branch (halfword 0) executes at 0: cycle -1 goes to its target,
    # so word 2 is asked for at 0 and can be decoded at 2. The two wide instructions behind the nop lie in words 1 and
    # 2: execution at 2 and 3.
    code = t.b_if(GE, 64), t.nop(), ALU, ALU
    assert cycles(*code) == 4
    # Wide from the start of word 0 on, nothing is ahead: the stolen cycle shows.
    wide = half_branch_wide(GE, 64)
    assert cycles(wide, ALU, ALU, ALU) == 5
    assert cycles(wide, ALU, ALU, ALU, without=("branch-steal",)) == 4


def half_branch_wide(condition: int, distance: int) -> bytes:
    """B<c>.W (T3)."""
    offset = distance - 4
    return t.half(0xF000 | condition << 6, 0x8000 | offset >> 1 & 0x7FF)


def test_a_slot_frees_late_where_execute_holds_decode_up() -> None:
    # Words 0, 1, 2 are asked for in cycles -3, -2, -1 and decodable at -1, 0, 1. The load executes at 0 for two cycles.
    # The first ALU instruction (words 0 and 1) is decoded at 0 but executes at 2 only, so word 0's slot frees at 2 and
    # word 3 can be decoded at 4. The second (words 1, 2) executes at 3, the third (words 2, 3) is decoded at 4 and
    # executes at 5 to 6. Freed at 0 already, word 3 is there at 2: the third executes at 4.
    code = t.ldr_narrow(0, 1), ALU, ALU, ALU
    assert cycles(*code) == 6
    assert cycles(*code, without=("late-release",)) == 5
