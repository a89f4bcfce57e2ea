"""Memory: what was planned, what the compiler proves, what was painted over, what was seen from outside."""

from __future__ import annotations

import pytest

from hil.bench.run import Ram, Run
from hil.firmware.build import Firmware


@pytest.fixture
def ram(portrait_run: Run) -> Ram:
    if portrait_run.ram.static_bytes is None:
        pytest.skip(f"target {portrait_run.target} has the host's memory, not the board's: use --hil-target sim")
    return portrait_run.ram


def test_the_arena_is_used_as_planned(portrait_run: Run) -> None:
    planned, used = portrait_run.ram.arena_planned, portrait_run.ram.arena_used
    assert used is not None and 0.5 * planned < used <= planned


def test_the_painted_stack_is_not_above_the_static_bound(ram: Ram) -> None:
    assert ram.stack_used is not None and ram.stack_bound is not None
    assert 0 < ram.stack_used <= ram.stack_bound


def test_the_bound_fits_the_stack_that_is_reserved(ram: Ram, hil_firmware: Firmware) -> None:
    assert ram.stack_bound is not None
    assert ram.stack_bound <= hil_firmware.board.stack_bytes


def test_the_painted_stack_is_what_was_seen_from_outside(portrait_run: Run) -> None:
    disagreement = next(m for m in portrait_run.measurements if m.name == "watermarks.disagreement")
    if disagreement.value is None:
        pytest.skip(f"target {portrait_run.target} cannot look from outside: use --hil-target sim")
    assert disagreement.limit is not None and disagreement.ok


def test_the_total_is_all_there_is(ram: Ram) -> None:
    assert ram.static_bytes is not None and ram.stack_used is not None and ram.heap_used is not None
    assert ram.total_bytes == ram.static_bytes + ram.stack_used + ram.heap_used
    assert ram.static_by_memory is not None
    assert ram.static_bytes == sum(ram.static_by_memory.values()) > ram.arena_planned
