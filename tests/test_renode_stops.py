"""What stopped a core in Renode: named as the sim names it, from the registers that Renode has."""

from __future__ import annotations

import struct

import pytest
from board_programs import program

from hil.targets.pyrenode.messages import Stop
from hil.targets.pyrenode.stops import from_guard, in_handler
from hil.targets.symbols import symbols

REGISTERS = (*range(13), 0x2000_0400, 0x0800_0000, 0x0800_0000, 1 << 24)  # r0 to r12, sp, lr, pc, status


@pytest.mark.parametrize(
    ("stop", "kind"),
    [
        (Stop("write", 0x1FFF_FFFC, False), "stack overflow"),
        (Stop("write", 0x1FFE_0000, False), "write to unmapped memory"),
        (Stop("write", 0x0800_0100, True), "write to flash"),
        (Stop("execute", 0x3000_0000, False), "jump outside code"),
        (Stop("abort", 0, False), "CPU abort"),
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
