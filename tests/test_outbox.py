"""When bytes of a simulated board's USART are handed to the host."""

from __future__ import annotations

from hil.targets.sim.peripherals.outbox import HANDED, Outbox

STEP, PATIENCE = 100, 5000


def outbox(count: int, is_open: bool = False) -> Outbox:
    box = Outbox()
    box.put(1000, STEP, bytes(range(count)), by_dma=is_open)
    return box


def test_bytes_are_taken_once_they_are_out() -> None:
    box = outbox(4)
    assert box.take(999) == b""
    assert box.take(1100) == b"\0\1"
    assert box.take(10_000) == b"\2\3"
    assert not box


def test_what_follows_back_to_back_is_one_burst() -> None:
    box = outbox(2)
    box.put(1000 + 2 * STEP, STEP, b"xy", by_dma=False)
    assert box.worth_taking_at(0, 0, PATIENCE) == 1000 + 4 * STEP


def test_a_transfer_is_waited_for() -> None:
    assert outbox(2, is_open=True).worth_taking_at(10, 0, PATIENCE) == 1000 + 12 * STEP


def test_the_host_has_time_while_bytes_are_on_their_way_to_the_board() -> None:
    box, complete = outbox(2), 1000 + 2 * STEP
    assert box.worth_taking_at(0, complete + 700, PATIENCE) == complete + 700
    assert box.worth_taking_at(0, complete - 700, PATIENCE) == complete
    assert box.worth_taking_at(0, complete + 10 * PATIENCE, PATIENCE) == complete + PATIENCE


def test_much_is_taken_at_once() -> None:
    assert outbox(2, is_open=True).worth_taking_at(HANDED, 1 << 40, PATIENCE) == 1000 + HANDED * STEP


def test_it_says_since_when_all_was_there() -> None:
    box = outbox(2)
    box.take(50_000)
    assert box.complete_at == 1000 + 2 * STEP
    box.take(60_000)
    assert box.complete_at == 60_000


def test_a_byte_that_has_not_begun_is_replaced() -> None:
    box = outbox(2)
    assert box.replace_last(b"z")
    assert box.take(9999) == b"\0z"
    assert not box.replace_last(b"z")
