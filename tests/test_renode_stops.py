"""What stopped a core in Renode: named as the sim names it, from the registers that Renode has."""

from __future__ import annotations

import re
import struct

import pytest
from board_programs import program

from hil.targets.pyrenode.messages import Stop
from hil.targets.pyrenode.stops import asleep, from_guard, in_handler
from hil.targets.symbols import symbols

WFE, WFI, SEV = 0xBF20, 0xBF30, 0xBF40
REGISTERS = (*range(13), 0x2000_0400, 0x0800_0000, 0x0800_0000, 1 << 24)  # r0 to r12, sp, lr, pc, status


@pytest.mark.parametrize(
    ("stop", "kind"),
    [
        (Stop("write", 0x1FFF_FFFC, False), "stack overflow"),
        (Stop("write", 0x1FFE_0000, False), "write to unmapped memory"),
        (Stop("write", 0x0800_0100, True), "write to flash"),
        (Stop("execute", 0x3000_0000, False), "jump outside code"),
        (Stop("abort", 0, False), "CPU abort"),
        (Stop("write", 0x1FFF_7A10, False), "write to system memory"),
        (Stop("breakpoint", 0x0800_0460, True), "breakpoint"),
        (Stop("table", 0x3000_0000, False), "vector table outside memory"),
        (Stop("vector", 0x2000_0838, False), "jump to an even address"),
        (Stop("lock-up", 0x2000_0838, False), "lock-up"),
    ],
)
def test_what_stopped_the_core_is_said_in_the_sims_words(stop: Stop, kind: str) -> None:
    table = symbols(program("crashes"))
    table._values.update(_stack_limit=0x2000_0000, _stack_top=0x2000_0400)
    assert from_guard(stop, REGISTERS, table).fault.kind == kind


def test_a_handler_that_loops_is_told_from_a_program_that_does() -> None:
    table = symbols(program("crashes"))
    culprit, handler = table.address("crash_by_undefined") or 0, table.address("usage_fault_handler") or 0
    frame = struct.pack("<8I", 100, 101, 102, 103, 112, 0x0800_0001, culprit & ~1, 1 << 24)
    now = (*range(13), 0x2000_0300, 0xFFFF_FFF9, handler & ~1, 6)
    crash = in_handler(now, 6, frame, table)
    assert crash is not None
    assert (crash.fault.kind, crash.fault.symbol) == ("usage fault", "crash_by_undefined")
    before = (100, 101, 102, 103, *range(4, 12), 112, 0x2000_0320, 0x0800_0001, culprit & ~1, 1 << 24)
    assert crash.registers == before
    assert in_handler(now, 15, frame, table) is None  # SysTick's, no fault's
    assert in_handler((*now[:14], 0x0800_0001, *now[15:]), 6, frame, table) is None  # it has pushed registers
    assert in_handler(now, 6, bytes(32), table) is None


@pytest.mark.parametrize(
    ("exc_return", "status", "size"),
    [(0xFFFF_FFF9, 0, 32), (0xFFFF_FFE9, 0, 104), (0xFFFF_FFF9, 1 << 9, 36), (0xFFFF_FFE9, 1 << 9, 108)],
)
def test_the_stack_pointer_before_a_fault_counts_all_that_was_pushed(exc_return: int, status: int, size: int) -> None:
    table = symbols(program("crashes"))
    culprit = table.address("crash_by_undefined") or 0
    frame = struct.pack("<8I", *[0] * 6, culprit & ~1, 1 << 24 | status)
    crash = in_handler((*range(13), 0x2000_0300, exc_return, 0x0800_0000, 6), 6, frame, table)
    assert crash is not None and crash.fault.sp == 0x2000_0300 + size


@pytest.mark.parametrize(
    ("code", "pending", "can_wake", "said"),
    [
        ((0, WFI, 0xE7FD), 0, False, "endless sleep"), ((0, 0, WFI), 0, False, "endless sleep"),
        ((0, WFI, 0xE7FD), 14, True, "endless wait.*PendSV is pending and masked"),
        ((SEV, WFE, 0xE7FC), 0, True, "endless wait.*WFE finds an event"),
        ((0, SEV, WFE), 0, True, "endless wait.*WFE finds an event"),
        ((0, WFE, 0xE7FD), 0, True, None), ((0, WFI, 0xE7FD), 0, True, None), ((SEV, 0, 0), 0, False, None),
    ],
)  # fmt: skip
def test_a_sleep_that_nothing_ends_is_told_from_one_that_waits(
    code: tuple[int, ...], pending: int, can_wake: bool, said: str | None
) -> None:
    crash = asleep(REGISTERS, struct.pack("<3H", *code), pending, can_wake, symbols(program("crashes")))
    assert (crash is None) if said is None else crash is not None and re.search(said, str(crash.fault)) is not None
