"""Exceptions of the simulated core: order, priorities, masks, stacks, sleep."""

from __future__ import annotations

import pytest
from board_programs import simulated
from unicorn import arm_const as uc_arm

from hil.targets.sim import SimBoard
from hil.targets.sim.call import call
from hil.targets.sim.core.priorities import THREAD_LEVEL
from hil.targets.sim.restless import SUSTAINED_HZ, Storms

PROCESS_STACK = 0x2000_8000


@pytest.fixture
def board() -> SimBoard:
    return simulated("exceptions")


def log_of(board: SimBoard) -> str:
    """The letters that the program's handlers left behind."""
    memory, symbols = board.core.memory, board.image.symbols
    length = memory.word(symbols.address("events_length") or 0)
    return memory.read(symbols.address("events") or 0, length).decode()


@pytest.mark.parametrize(
    ("priorities", "group", "expected"),
    [
        ((0x80, 0x40, 0xC0), 0, "abAc."),  # one above, one below: the first nests, the second follows
        ((0x80, 0x40, 0x20), 0, "acbA."),  # both above: the more urgent first
        ((0x80, 0x80, 0x80), 0, "aAbc."),  # equals do not pre-empt, the lower number goes first
        ((0x40, 0x80, 0x70), 0, "aAcb."),  # both below
        ((0x80, 0x90, 0xC0), 0, "aAbc."),
        ((0x80, 0x70, 0x60), 7, "aAcb."),  # no group bits: nothing nests, but sub-priority orders what waits
        ((0xA0, 0x90, 0x40), 6, "acAb."),  # one group bit: 0xA0 and 0x90 are in the same group
    ],
)
def test_nesting_follows_priorities(
    board: SimBoard, priorities: tuple[int, int, int], group: int, expected: str
) -> None:
    call(board, "nest", [*priorities, group])
    assert log_of(board) == expected


def test_supervisor_call_runs_at_once_and_pend_sv_after_it(board: SimBoard) -> None:
    assert call(board, "call_supervisor").r0 == 11
    assert log_of(board) == "sSp."


def test_primask_holds_interrupts_back(board: SimBoard) -> None:
    call(board, "mask_with_primask")
    assert log_of(board) == ".b!"


@pytest.mark.parametrize(("level", "expected"), [(0x40, ".bc!"), (0x80, "b.c!"), (0xC0, "bc.!"), (0, "bc.!")])
def test_basepri_holds_back_its_level_and_below(board: SimBoard, level: int, expected: str) -> None:
    call(board, "mask_with_basepri", [level])
    assert log_of(board) == expected


def test_floats_survive_an_interrupt_that_uses_floats(board: SimBoard) -> None:
    result = call(board, "keep_floats").r0
    assert result & 0xFF == 2 + 5 + 9
    assert result >> 8 == 0x2, "the comparison's flags in FPSCR: 5 is greater than 2"
    assert log_of(board) == "f"


def test_frame_is_short_without_floats(board: SimBoard) -> None:
    assert call(board, "integer_frame").r0 == 0xFFFF_FFF9


def test_frame_is_long_with_floats(board: SimBoard) -> None:
    call(board, "keep_floats")
    call(board, "call_supervisor")
    symbol = board.image.symbols.address("exc_return_seen") or 0
    assert board.core.memory.word(symbol) == 0xFFFF_FFE9


def test_handlers_run_on_the_main_stack(board: SimBoard) -> None:
    result = call(board, "on_process_stack", [PROCESS_STACK]).r0
    assert result & 0xFF == 0, "PSP is where it was"
    assert result >> 8 & 2, "the thread still runs on the process stack"
    assert board.core.memory.word(board.image.symbols.address("exc_return_seen") or 0) & ~0x10 == 0xFFFF_FFED


def test_sys_tick_comes_once_a_period(board: SimBoard) -> None:
    cycles = call(board, "tick", [9_999, 5]).r0
    assert log_of(board) == "ttttt"
    assert 50_000 <= cycles <= 50_100


def test_pending_interrupt_ends_sleep_even_when_masked(board: SimBoard) -> None:
    call(board, "sleep_with_interrupts_masked")
    assert log_of(board) == ".t"


def test_wfe_waits_only_where_there_was_no_event(board: SimBoard) -> None:
    call(board, "wait_for_events")
    assert log_of(board) == "p12t3"


@pytest.mark.parametrize(
    ("mask", "value", "level", "to_wake"),
    [(uc_arm.UC_ARM_REG_PRIMASK, 1, 0, THREAD_LEVEL), (uc_arm.UC_ARM_REG_BASEPRI, 0x40, 0x40, 0x40)],
)
def test_only_primask_lets_what_it_holds_back_end_a_sleep(
    board: SimBoard, mask: int, value: int, level: int, to_wake: int
) -> None:
    board.core.set_register(mask, value)
    assert board.exceptions.masked_level() == level
    assert board.exceptions.masked_level(to_wake=True) == to_wake


def test_count_flag_is_cleared_by_reading(board: SimBoard) -> None:
    assert call(board, "sys_tick_flag").r0 == 0


def test_vector_table_and_handler_in_ram(board: SimBoard) -> None:
    assert call(board, "vectors_in_ram").r0 == 0x42


@pytest.mark.parametrize(("enabled", "exception"), [(1, 6), (0, 3)])
def test_firmware_can_step_over_a_fault(board: SimBoard, enabled: int, exception: int) -> None:
    result = call(board, "mend", [enabled]).r0
    assert result & 0xFF == 1 + 10, "the division was left out"
    assert result >> 8 == exception, "UsageFault where it is enabled, else HardFault"
    assert [fault.kind for fault in board.faults.history] == ["divide by zero"]
    assert board.faults.open is None


@pytest.mark.parametrize(("n", "expected"), [(5, 0xFFFF_FFFF), (4, 7), (0, 1)])
def test_divisor_computed_just_before_is_checked(board: SimBoard, n: int, expected: int) -> None:
    assert call(board, "late_divisor", [n]).r0 == expected


@pytest.mark.parametrize(("hz", "is_storm"), [(4 * SUSTAINED_HZ, True), (SUSTAINED_HZ // 2, False)])
def test_what_a_program_takes_in_a_row_and_says_nothing_is_a_storm(hz: int, is_storm: bool) -> None:
    """Though it sleeps in between: a minute of that would take many of the computer's."""
    storms = Storms()
    for n in range(200_000):
        storms.slept()
        if said := storms.entered("SysTick", n, n / hz):
            break
    assert (said is not None and "SysTick the latest" in said and "no byte" in said) is is_storm


def test_who_speaks_now_and_then_is_left_alone() -> None:
    storms = Storms()
    for n in range(200_000):
        storms.slept()
        if n % 1000 == 0:
            storms.spoke(n / 50_000)
        assert storms.entered("PendSV", n, n / 50_000) is None
