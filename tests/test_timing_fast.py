"""The fast model against the full one, on kernels with their buffers in every bank: within 1 % (docs/timing.md)."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
import thumb as t

from hil import board
from hil.timing.compiled import layout as at
from hil.timing.compiled.addresses import Step, steps_of
from hil.timing.cycles.core import Core
from hil.timing.cycles.program import Program, Segment
from hil.timing.statement import rules
from hil.timing.statement.decode import Decoder

BOARD = board.load("stm32f407_disco")
ENTRY, TABLE = t.FLASH + 0x200, t.FLASH + 0x8000
BANKS = {"sram1": t.SRAM1 + 0x1000, "sram2": t.SRAM2 + 0x400, "ccm": t.CCM + 0x200, "flash": TABLE}
ROUNDS = 200


def loop(*body: bytes) -> bytes:
    """r0, r1: buffers; r3 counts down."""
    inner = b"".join(body) + t.half(0x3B01)  # SUBS r3, #1
    return t.movs(3, ROUNDS) + inner + t.b_if(1, -len(inner)) + t.pop(4, 5, 6, 7, t.PC)


def start(*more: bytes) -> bytes:
    return t.push(4, 5, 6, 7, t.LR) + b"".join(more)


# each takes two buffers: one is read, the other read and, where it can be, written
KERNELS = {
    "copy": start() + loop(t.ldr_back(4, 0, 4), t.str_back(4, 1, 4)),
    "product": start() + loop(t.ldr(4, 0), t.ldr(5, 1), t.ldr(6, 0, 4), t.ldr(7, 1, 4), t.add_wide(4, 5, 6)),
    "pointers from the stack": start(t.push(0, 1))
    + t.movs(3, ROUNDS)
    + (
        body := t.ldr(4, t.SP)
        + t.ldr(5, t.SP, 4)
        + t.nop()
        + t.ldr(6, 4)
        + t.ldr(7, 5)
        + t.ldr(6, 4, 8)
        + t.ldr(7, 5, 8)
        + t.half(0x3B01)
    )
    + t.b_if(1, -len(body))
    + t.pop(0, 1)
    + t.pop(4, 5, 6, 7, t.PC),
    "a pointer in an FP register": start(t.half(0xEE0C, 0x0A10))  # VMOV s24, r0
    + loop(t.vmov_to_core(4, 24), t.nop(), t.ldr(5, 4), t.ldr(6, 1), t.ldr(7, 4, 4)),
    "an index": start(t.movs(4, 8)) + loop(t.half(0xEB00, 0x0584), t.nop(), t.ldr(6, 5), t.ldr(7, 1), t.ldr(6, 5)),
    "odd words": start(t.adds(0, 1)) + loop(t.ldr(4, 0), t.ldr(5, 1), t.add_wide(4, 4, 5)),
    "divides": start(t.movs(4, 200), t.movs(5, 3)) + loop(t.udiv(6, 4, 5), t.ldr(7, 1), t.ldr(7, 0)),
}


def cycles(code: bytes, mode: str, arguments: tuple[int, ...], wait_states: int, calls: int = 2) -> int:
    segments = Segment(ENTRY, code), Segment(TABLE, bytes(8 * ROUNDS))
    core = Core(Program(Path("kernel.elf"), segments, {"f": ENTRY}), BOARD, mode, rules.ALL, wait_states)  # type: ignore[arg-type]
    return [core.call(ENTRY, arguments, 0x2002_0000, 10**6).cycles for _ in range(calls)][-1]


def places(kernel: str) -> list[tuple[str, str]]:
    """Where the two buffers may lie: what is written not in flash."""
    return [(one, other) for one, other in product(BANKS, BANKS) if kernel != "copy" or other != "flash"]


CASES = [(kernel, *pair) for kernel in KERNELS for pair in places(kernel)]


@pytest.mark.parametrize(("kernel", "one", "other"), CASES, ids=[" ".join(case) for case in CASES])
def test_fast_is_within_1_percent_of_full(kernel: str, one: str, other: str) -> None:
    arguments = BANKS[one], BANKS[other]
    full, fast = (cycles(KERNELS[kernel], mode, arguments, 0) for mode in ("full", "fast"))
    assert fast == pytest.approx(full, rel=0.01)


def test_where_a_buffer_lies_makes_a_difference() -> None:
    """What is compared above is not all the same."""
    code = KERNELS["product"]
    together, apart = (cycles(code, "fast", (BANKS["sram1"], BANKS[other]), 0) for other in ("sram1", "sram2"))
    assert apart > together * 1.1


def test_a_buffer_elsewhere_at_the_next_call_is_noticed() -> None:
    code = KERNELS["product"]
    program = Program(Path("kernel.elf"), (Segment(ENTRY, code),), {"f": ENTRY})
    fast, full = (Core(program, BOARD, mode, rules.ALL, 0) for mode in ("fast", "full"))
    for place in ("sram1", "sram2", "ccm", "sram1"):
        taken = [core.call(ENTRY, (BANKS["sram1"], BANKS[place]), 0x2002_0000, 10**6).cycles for core in (fast, full)]
    totals = fast.engine.cycles, full.engine.cycles
    assert totals[0] == pytest.approx(totals[1], rel=0.05)
    assert taken[0] == pytest.approx(taken[1], rel=0.05)


# -- what a block's entry tells


def steps(*code: bytes) -> list[Step]:
    """Of a block whose accesses all matter."""
    data = b"".join(code)
    decoder = Decoder(lambda address, size: data[address - ENTRY : address - ENTRY + size])
    block, address = [], ENTRY
    while address < ENTRY + len(data):
        block.append(decoder.at(address))
        address = block[-1].end
    return steps_of(block, lambda one: bool(one.operand or one.divide), lambda one: False, lambda *_: bytes(4))


def test_a_moved_base_is_its_register_and_a_constant() -> None:
    register, first, second = steps(t.ldr_back(0, 1, 4), t.ldr(2, 1, 8))
    assert (register.kind, register.constant) == (at.STEP_REGISTER, 1)
    assert (first.first, first.constant, first.is_exact) == (0, 4, True) or first.constant == 0
    assert (second.first, second.constant, second.is_exact) == (0, 12, True)


def test_an_address_computed_by_a_shift_is_exact_and_one_behind_a_mask_is_not() -> None:
    shifted = steps(t.half(0xEB00, 0x0584), t.ldr(6, 5))[-1]  # ADD r5, r0, r4, LSL #2
    masked = steps(t.half(0xF020, 0x0503), t.ldr(6, 5))[-1]  # BIC r5, r0, #3
    assert shifted.is_exact and not masked.is_exact


def test_a_base_of_which_nothing_is_known_has_no_step() -> None:
    assert steps(t.half(0xFB00, 0xF501), t.ldr(6, 5)) == []  # MUL r5, r0, r1


def test_a_loaded_base_is_read_from_memory_and_not_exact() -> None:
    kinds = [step.kind for step in steps(t.ldr(4, 0), t.ldr(5, 4))]
    assert kinds == [at.STEP_REGISTER, at.STEP_ACCESS, at.STEP_WORD, at.STEP_ACCESS]
    assert not steps(t.ldr(4, 0), t.ldr(5, 4))[-1].is_exact
