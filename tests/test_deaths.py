"""Misbehaving firmware on the simulated board: each way to die has a name, a function and a line, and soon.

With the crashes of tests/test_sim_faults.py these are more than forty. None is allowed the ten seconds that the board
may compute: what they cost is in docs/reliability.md.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from board_programs import SOURCES, target

from hil.targets import TargetError, TargetFault
from hil.targets.sim import SimTarget
from hil.targets.sim.core.rewriting import BESIDE
from hil.timing.compiled.blockhook import BLOCKS

TABLE = re.search(r"deaths\[\]\)\(void\) = \{(.*?)\};", (SOURCES / "deaths.c").read_text(), re.S)
NAMES = re.findall(r"\w+", TABLE[1]) if TABLE else []

# What happened, and in which function where that is not the one that is named for it.
DEATHS = {
    "storm_of_one_that_pends_itself": ("interrupt storm", "irq0_handler", "IRQ 0 taken"),
    "storm_of_two_that_take_turns": ("interrupt storm", "irq0_handler", "taken 5000 times"),
    "storm_of_nmi": ("interrupt storm", "nmi_handler", "NMI taken"),
    "storm_of_a_line_nobody_lowers": ("interrupt storm", "usart2_handler", "IRQ 38 taken"),
    "storm_of_a_timer_at_its_limit": ("interrupt storm", "sys_tick_handler", "SysTick taken"),
    "storm_of_a_fast_timer": ("interrupt storm", "sys_tick_handler", "neither slept nor sent"),
    "storm_while_it_sleeps": ("interrupt storm", "sys_tick_handler", "no byte was sent"),
    "loop_in_a_handler": ("endless loop", "pend_sv_handler", "without sleeping"),
    "sleep_that_nothing_ends": ("endless sleep", None, "no interrupt"),
    "sleep_beside_a_masked_interrupt": ("endless wait", None, "PendSV is pending and masked"),
    "wait_for_an_event_of_its_own": ("endless wait", None, "WFE finds an event"),
    "sleep_in_a_handler": ("endless sleep", "pend_sv_handler", "no interrupt"),
    "vector_table_nowhere": ("vector table outside memory", None, "VTOR 0x30000000"),
    "fault_that_its_handler_returns_to": ("fault storm", None, "read of unmapped memory"),
    "vector_table_moved_by_a_handler": ("vector table outside memory", "pend_sv_handler", "VTOR 0x30000000"),
    "vector_table_overwritten": ("lock-up", None, "fault handler"),
    "jump_into_data": ("execution of data", None, "in no function"),
    "jump_into_erased_flash": ("execution of erased flash", None, "0x080f0000"),
    "code_that_changes_itself": ("execution of data", None, "in no function"),
    "return_address_overwritten": ("jump outside code", None, "0x60000000"),
    "unprivileged_write": ("unprivileged write to the system space", None, "0xe000e010"),
    "unprivileged_read": ("unprivileged read of the system space", None, "0xe000ed08"),
    "polling_a_flag_that_never_comes": ("endless loop", None, "without sleeping"),
    "polling_the_cycle_counter": ("endless polling", None, "0xe0001004"),
    "masked_supervisor_call": ("SVC that cannot run", None, "priority"),
    "process_stack_nowhere": ("write to unmapped memory", None, "0x2ffffffc"),
    "exception_on_a_stack_nowhere": ("bad stack pointer", None, "its frame at 0xfffffff0"),
    "write_through_null": ("write to flash", None, "0x00000000"),
    "write_to_system_memory": ("write to system memory", None, "0x1fff7a10"),
    "unaligned_exclusive": ("unaligned access", None, "word-aligned"),
    "stack_moved_into_flash": ("write to flash", None, "0x08000ffc"),
    "fault_in_a_masked_section": ("lock-up", None, "read of unmapped memory"),
    "nmi_that_hangs": ("endless loop", "nmi_handler", "no interrupt can come"),
    "reset_again_and_again": ("reset loop", None, "the last because"),
    "independent_watchdog_starved": ("reset loop", "wait_for_ever", "independent watchdog ran out"),
    "dma_over_the_stack": ("jump outside code", None, "0x60606060"),
}
ERRORS = {
    "flash_erased_under_it": "flash_erased_under_it .*erase",
    "clock_lost": "gives no clock",
    "baud_changed": "baud, the link at",
    "memory_protection_switched_on": "switches the MPU on",
}
BUSY = ["polling_two_registers_by_turns", "writing_a_register_again_and_again"]
FLOODS = "sending_without_a_look_whether_there_is_room"
REWRITES = "code_written_again_and_again"
RESETS = {"window_watchdog_fed_too_soon": 1 << 6, "window_watchdog_starved": 1 << 6}
TRANSFERS = ["dma_into_ccm", "dma_into_flash", "dma_nowhere"]
TRANSFER_ERROR = 1 << 3


def run_to_death(name: str) -> SimTarget:
    board = target("deaths")
    assert board.read(0.1)[1:3] == b"\x70\x00"
    board.write(bytes([NAMES.index(name)]))
    return board


def listen(board: SimTarget, seconds: float = 5.0) -> bytes:
    """All that it says."""
    said = b""
    while data := board.read(seconds):
        said += data
    return said


def test_every_death_is_looked_at() -> None:
    assert sorted(NAMES) == sorted([*DEATHS, *ERRORS, *BUSY, FLOODS, REWRITES, *RESETS, *TRANSFERS])


@pytest.mark.parametrize("name", DEATHS)
def test_a_death_has_a_name_and_a_place_and_the_next_boot_is_clean(name: str) -> None:
    kind, function, said = DEATHS[name]
    board = run_to_death(name)
    if name == "dma_over_the_stack":
        board.read(0.1)
        board.write(b"\x61\x60\x60\x60")
    with pytest.raises(TargetFault) as caught:
        listen(board)
    fault = caught.value
    assert (fault.kind, fault.symbol) == (kind, function or name) and said in fault.detail
    assert fault.line is not None and Path(fault.line.split(":")[0]).suffix == ".c"
    board.boot(board.sim.image.path)
    assert board.read(0.1)[1:3] == b"\x70\x00"


@pytest.mark.parametrize("name", ERRORS)
def test_what_the_board_does_not_model_is_an_error_that_says_so(name: str) -> None:
    with pytest.raises(TargetError, match=ERRORS[name]):
        listen(run_to_death(name))


@pytest.mark.parametrize("name", BUSY)
def test_using_registers_for_ever_has_a_name_and_a_place(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sooner than in life, where it takes ten seconds of the processor."""
    monkeypatch.setattr("hil.targets.sim.peripherals.patience.MOST_USES", 5_000)
    with pytest.raises(TargetFault) as caught:
        listen(run_to_death(name))
    assert (caught.value.kind, caught.value.symbol) == ("endless polling", name)
    assert "times a register is used" in caught.value.detail and "all is as before" in caught.value.detail


def test_sending_without_waiting_has_a_name_and_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sooner than in life: ten seconds of the processor, where an exchange's bound was only reached after minutes."""
    monkeypatch.setattr("hil.targets.sim.peripherals.outbox.MOST_REPLACED", 5_000)
    with pytest.raises(TargetFault) as caught:
        listen(run_to_death(FLOODS))
    assert (caught.value.kind, caught.value.symbol) == ("endless polling", FLOODS)
    assert "written while DR was full" in caught.value.detail


def test_writing_code_for_ever_has_a_name_and_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sooner than in life, where it takes four seconds of the processor."""
    monkeypatch.setattr("hil.targets.sim.core.rewriting.MOST_WORK", 20_000)
    board = run_to_death(REWRITES)
    with pytest.raises(TargetFault) as caught:
        listen(board)
    assert (caught.value.kind, caught.value.symbol) == ("endless rewriting", REWRITES)
    assert board.sim.core.words[BLOCKS] > 2 * 20_000 / (BESIDE + 2)  # each time was counted once


@pytest.mark.parametrize("name", RESETS)
def test_a_watchdog_resets_the_chip_which_says_so(name: str) -> None:
    board = run_to_death(name)
    assert board.read(2.0)[0] & 0xE0 == RESETS[name]


@pytest.mark.parametrize("name", TRANSFERS)
def test_dma_where_its_bus_does_not_lead_is_a_transfer_error(name: str, caplog: pytest.LogCaptureFixture) -> None:
    board = run_to_death(name)
    board.read(0.1)
    board.write(b"\x61\x60\x60\x60")
    assert board.read(0.1)[:1] == bytes([TRANSFER_ERROR])
    assert "DMA1 stream 5: transfer error" in caplog.text and sum(s.errors for s in board.sim.chip.dmas[0].streams) == 1
