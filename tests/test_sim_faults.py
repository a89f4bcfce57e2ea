"""Crashes on the simulated board: caught, named after their function, shown to the firmware as by the chip."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pytest
from board_programs import target

from hil.targets import TargetError, TargetFault
from hil.targets.sim import SimTarget

REPORT = struct.Struct("<5I")
MAGIC = 0xFA01_7000
AFTER_SOFTWARE_RESET = 0x0B00_7001


@dataclass(frozen=True)
class Crash:
    """A way to crash of crashes.c: the byte that asks for it, and what must be said of it."""

    number: int
    function: str
    kind: str
    cfsr: int


CRASHES = [
    Crash(0, "crash_by_recursion", "stack overflow", 0x0000_0400),
    Crash(1, "crash_by_null_call", "call through a null pointer", 0x0002_0000),
    Crash(2, "crash_by_far_call", "jump outside code", 0x0000_0100),
    Crash(3, "crash_by_unaligned_ldrd", "unaligned access", 0x0100_0000),
    Crash(4, "crash_by_unaligned_ldm", "unaligned access", 0x0100_0000),
    Crash(5, "crash_by_unaligned_vldr", "unaligned access", 0x0100_0000),
    Crash(6, "crash_by_conditional_ldrd", "unaligned access", 0x0100_0000),
    Crash(7, "crash_by_division", "divide by zero", 0x0200_0000),
    Crash(8, "crash_by_flash_write", "write to flash", 0x0000_0400),
    Crash(9, "crash_by_wild_read", "read of unmapped memory", 0x0000_8200),
    Crash(10, "crash_past_sram", "read of unmapped memory", 0x0000_8200),
    Crash(11, "crash_by_undefined", "undefined instruction", 0x0001_0000),
    Crash(12, "crash_without_fpu", "FPU used while it is off", 0x0008_0000),
    Crash(13, "crash_by_even_call", "jump to an even address", 0x0002_0000),
    Crash(14, "crash_in_ccm", "jump outside code", 0x0000_0100),
    Crash(15, "crash_by_peripheral_call", "jump outside code", 0x0000_0001),
    Crash(16, "crash_by_breakpoint", "breakpoint", 0),
    Crash(19, "pend_sv_handler", "invalid exception return", 0x0004_0000),
]
LOOPS = [Crash(17, "crash_by_loop", "endless loop", 0), Crash(18, "crash_by_branch_to_self", "endless loop", 0)]


def crash(board: SimTarget, number: int) -> bytes:
    """Ask a running crashes.c to crash; what it says afterwards."""
    assert board.read(0.1)[:3] == b"\x00\x70\x00"
    board.write(bytes([number]))
    return board.read(1.0)


@pytest.mark.parametrize("case", CRASHES + LOOPS, ids=lambda case: case.function)
def test_crash_without_handler_ends_the_run_and_names_the_function(case: Crash) -> None:
    board = target("crashes")
    with pytest.raises(TargetFault) as caught:
        crash(board, case.number)
    fault = caught.value
    assert (fault.kind, fault.symbol) == (case.kind, case.function)
    assert fault.line is not None and fault.line.startswith("crashes.c:")
    assert fault.cfsr == case.cfsr
    assert case.function in str(fault) and "PC 0x" in str(fault)


@pytest.mark.parametrize("case", CRASHES, ids=lambda case: case.function)
def test_handler_sees_what_the_chip_would_show_and_resets(case: Crash) -> None:
    board = target("crashes", defines=("HANDLER",))
    report = crash(board, case.number)
    magic, cfsr, hfsr, _, _ = REPORT.unpack(report[: REPORT.size])
    lost_frame = 0x1000 if case.kind == "stack overflow" else 0
    assert magic == MAGIC
    assert cfsr == case.cfsr | lost_frame
    assert hfsr == (1 << 31 if case.kind == "breakpoint" else 1 << 30), "FORCED: only HardFault was enabled"
    assert struct.unpack("<I", (report + board.read(0.1))[-4:])[0] == AFTER_SOFTWARE_RESET
    assert [(fault.kind, fault.symbol) for fault in board.faults] == [(case.kind, case.function)]


def test_stacked_pc_is_that_of_the_failed_instruction() -> None:
    board = target("crashes", defines=("HANDLER",))
    report = REPORT.unpack(crash(board, 9)[: REPORT.size])
    assert report[4] == board.faults[0].pc
    assert report[3] == board.faults[0].address == 0x3000_0000, "BFAR"


def test_fault_in_the_fault_handler_locks_up() -> None:
    board = target("crashes", defines=("FAULTING_HANDLER",))
    with pytest.raises(TargetFault, match="lock-up in crash_by_division .*after divide by zero") as caught:
        crash(board, 7)
    assert caught.value.kind == "lock-up"
    assert [fault.symbol for fault in board.faults] == ["crash_by_division", "crash_by_wild_read"]


def test_stack_that_would_run_into_the_data_is_stopped_before_it_does() -> None:
    board = target("crashes", script="stack_above.ld")
    with pytest.raises(TargetFault) as caught:
        crash(board, 0)
    assert (caught.value.kind, caught.value.symbol) == ("stack overflow", "crash_by_recursion")
    limit = board.sim.image.symbols.address("_stack_limit") or 0
    assert caught.value.sp >= limit, "nothing below the stack has been touched"


def test_peripheral_that_is_not_modelled_is_an_error_that_says_who_used_it() -> None:
    board = target("crashes")
    with pytest.raises(TargetError, match=r"crash_in_unknown_peripheral .*0x40000000"):
        crash(board, 20)


def test_handler_that_never_ends_is_cut_off_with_the_first_fault() -> None:
    board = target("crashes", defines=("SLOW_HANDLER",), runaway_s=60.0)
    with pytest.raises(TargetFault) as caught:
        crash(board, 7)
        board.read(5.0)
    assert (caught.value.kind, caught.value.symbol) == ("divide by zero", "crash_by_division")


def test_long_computation_is_no_endless_loop() -> None:
    board = target("crashes", runaway_s=30.0)
    assert crash(board, 17) == b"", "still computing after a second of virtual time"
