"""A firmware's ways to die (tests/firmware/deaths.c) on Renode: what it shows is named, and the next boot is clean.

What Renode 1.16.1 lets pass, or is given up at, stands in docs/renode.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from board_programs import DISCO, SOURCES, program

from hil.targets import TargetError, TargetFault, create
from hil.targets.base import Target

pytestmark = [pytest.mark.xdist_group("renode"), pytest.mark.usefixtures("renode_here")]
TABLE = re.search(r"deaths\[\]\)\(void\) = \{(.*?)\};", (SOURCES / "deaths.c").read_text(), re.S)
NAMES = re.findall(r"\w+", TABLE[1]) if TABLE else []
DEATHS = {  # what it is called, and the function where that is not the death's own
    "loop_in_a_handler": ("endless loop", "pend_sv_handler"),
    "nmi_that_hangs": ("endless loop", "nmi_handler"),
    "masked_supervisor_call": ("endless loop", "svc_handler"),
    "jump_into_data": ("endless loop", "usage_fault_handler"),
    "code_that_changes_itself": ("endless loop", "usage_fault_handler"),
    "jump_into_erased_flash": ("jump outside code", None),
    "return_address_overwritten": ("jump outside code", "main_program"),
    "process_stack_nowhere": ("write to unmapped memory", None),
    "write_through_null": ("write to flash", None),
    "stack_moved_into_flash": ("write to flash", None),
    "fault_in_a_masked_section": ("read of unmapped memory", None),
    "independent_watchdog_starved": ("write to unmapped memory", None),  # there is no such watchdog
    "window_watchdog_starved": ("write to unmapped memory", None),
    "fault_that_its_handler_returns_to": ("read of unmapped memory", None),
    "write_to_system_memory": ("write to system memory", None),
    "storm_of_one_that_pends_itself": ("interrupt storm", "irq0_handler"),
    "storm_of_a_line_nobody_lowers": ("interrupt storm", "usart2_handler"),
    "storm_of_a_timer_at_its_limit": ("interrupt storm", "sys_tick_handler"),
    "storm_of_a_fast_timer": ("interrupt storm", "sys_tick_handler"),
    "storm_while_it_sleeps": ("interrupt storm", "sys_tick_handler"),
    "storm_of_two_that_take_turns": ("interrupt storm", "irq0_handler"),
    "storm_of_nmi": ("interrupt storm", "nmi_handler"),
    "sleep_that_nothing_ends": ("endless sleep", None),
    "sleep_in_a_handler": ("endless sleep", "pend_sv_handler"),
    "sleep_beside_a_masked_interrupt": ("endless wait", None),
    "wait_for_an_event_of_its_own": ("endless wait", None),
    "vector_table_nowhere": ("vector table outside memory", None),
    "vector_table_moved_by_a_handler": ("vector table outside memory", "pend_sv_handler"),
    "vector_table_overwritten": ("lock-up", None),
    "reset_again_and_again": ("reset loop", None),
}
CRAWLS = ["polling_two_registers_by_turns", "polling_the_cycle_counter", "writing_a_register_again_and_again"]
GOES_ON = ["unprivileged_write", "unprivileged_read", "unaligned_exclusive"]


@pytest.fixture
def board() -> Iterator[Target]:
    with create("renode", DISCO, runaway_s=0.2) as made:
        made.boot(program("deaths"))
        assert made.read(0.1)[1:3] == b"\x70\x00"
        yield made


@pytest.mark.parametrize("name", DEATHS)
def test_a_death_has_a_name_and_a_place_and_the_next_boot_is_clean(board: Target, name: str) -> None:
    kind, function = DEATHS[name]
    board.write(bytes([NAMES.index(name)]))
    with pytest.raises(TargetFault) as caught:
        while board.read(3):
            pass
    assert (caught.value.kind, caught.value.symbol) == (kind, function or name)
    assert caught.value.line is not None or kind == "jump outside code"
    board.boot(program("deaths"))
    assert board.read(0.1)[1:3] == b"\x70\x00"


@pytest.mark.parametrize("name", CRAWLS)
def test_what_renode_crawls_at_is_ended_by_its_function(
    board: Target, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sooner than in life, where it takes five seconds of Renode's work."""
    monkeypatch.setattr("hil.targets.pyrenode.progress.CRAWL_S", 0.5)
    board.write(bytes([NAMES.index(name)]))
    with pytest.raises(TargetFault, match="for which Renode worked") as caught:
        board.read(1)
    assert caught.value.kind == "endless loop" and caught.value.symbol == name
    assert caught.value.line is not None and "deaths.c:" in caught.value.line


def test_dma_over_the_stack_is_a_jump_outside(board: Target) -> None:
    board.write(bytes([NAMES.index("dma_over_the_stack")]))
    assert board.read(0.1)
    board.write(b"\x61\x60\x60\x60")
    with pytest.raises(TargetFault, match="jump outside code in receive_to"):
        board.read(1)


@pytest.mark.parametrize("name", GOES_ON)
def test_what_renode_does_not_model_is_no_crash_there(board: Target, name: str) -> None:
    board.write(bytes([NAMES.index(name)]))
    assert board.read(0.1) == b"done"


def test_a_board_that_renode_does_not_get_on_with_is_given_up_by_its_function(board: Target) -> None:
    board.machine.hang_s = 0.1  # type: ignore[attr-defined]
    board.write(bytes([NAMES.index("polling_the_cycle_counter")]))
    with pytest.raises(TargetError, match="Renode did not reach .* within 0.1 s.* boot the firmware again"):
        board.read(1)
    board.boot(program("deaths"))
    assert board.read(0.1)[1:3] == b"\x70\x00"
