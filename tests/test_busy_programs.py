"""A program may use registers as often as it likes, without sleep or a byte, as long as it gets anywhere."""

from __future__ import annotations

import pytest
from board_programs import target

from hil.targets.base import TargetFault

USES = 4000  # between two looks, of which each of these programs has many; in life it is a million
DRAWS, BLINKS, WAITS, COUNTS = range(4)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hil.targets.sim.peripherals.patience.MOST_USES", USES)
    monkeypatch.setattr("hil.targets.sim.peripherals.patience.MOST_SLOW_USES", 10 * USES)


@pytest.mark.parametrize("which", [DRAWS, BLINKS])
def test_who_is_busy_and_gets_on_is_let_be(which: int) -> None:
    board = target("busy")
    board.write(bytes([which]))
    assert board.read(1.0) == b"done"


def test_who_waits_for_the_host_may_wait() -> None:
    board = target("busy")
    board.write(bytes([WAITS]))
    assert board.read(0.005) == b""
    board.write(b"!")
    assert board.read(0.1) == b"done"


def test_who_waits_for_nobody_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hil.targets.sim.peripherals.usart.Usart.hears", False)
    board = target("busy")
    board.write(bytes([WAITS]))
    with pytest.raises(TargetFault, match="feed_the_watchdog_until_the_host_speaks"):
        board.read(0.005)


def test_what_would_take_the_computer_minutes_is_given_up_though_it_gets_on() -> None:
    board = target("busy", runaway_s=10.0)
    board.write(bytes([COUNTS]))
    with pytest.raises(TargetFault, match="count_beside_slow_registers.*neither slept nor sent a byte"):
        board.read(1.0)
