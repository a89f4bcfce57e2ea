"""Whether a firmware on Renode gets on, told from the board's states alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from hil.targets.pyrenode.messages import State
from hil.targets.pyrenode.progress import Progress, Stuck

SPEED = 125e6
STEP_US = 20_000
ASLEEP = State(
    microseconds=0, instructions=0, resets=0, opcode=bytes(2), received=b"", stop=None, is_held=True, exceptions=0,
    exception=54, handler=0x0800_0101, reset_at=0x0800_0200, worked_s=0.0,
)  # fmt: skip


def states(
    steps: int, exceptions: int = 0, busy: float = 0.0, resets: int = 0, worked_s: float = 0.0
) -> Iterator[State]:
    """A board after each step, with so many exceptions and resets a step. busy: the share of time that it computes."""
    for n in range(1, steps + 1):
        yield replace(
            ASLEEP, microseconds=n * STEP_US, instructions=round(n * busy * SPEED * STEP_US / 1e6),
            exceptions=n * exceptions, resets=n * resets, worked_s=n * worked_s,
        )  # fmt: skip


def wrong(after: Iterator[State], heard_each: int = 0, is_patient: bool = False) -> tuple[int, Stuck] | None:
    """At which step something is wrong, and what. heard_each: of how many steps one brings a byte."""
    progress = Progress(ASLEEP, SPEED, 10.0, is_patient)
    for number, state in enumerate(after, start=1):
        stuck = progress.passed(state, is_heard=bool(heard_each and number % heard_each == 0))
        if stuck is not None:
            return number, stuck
    return None


@pytest.mark.parametrize(
    ("exceptions", "busy", "said"),
    [
        (10_000, 1.0, "neither slept nor sent a byte"), (10_000, 0.5, "no byte was sent"),
        (200, 1.0, "neither slept nor sent a byte"), (200, 0.5, "160000 exceptions, IRQ 38 the latest, in 1.6e+04 ms"),
    ],
)  # fmt: skip
def test_exceptions_of_which_nothing_comes_are_a_storm(exceptions: int, busy: float, said: str) -> None:
    found = wrong(states(1000, exceptions, busy))
    assert found is not None
    assert found[1].kind == "interrupt storm" and said in found[1].detail and found[1].at == 0x0800_0101


@pytest.mark.parametrize(("exceptions", "busy", "heard_each"), [(10_000, 1.0, 3), (1000, 0.5, 30), (90, 0.5, 0)])
def test_exceptions_of_a_program_that_speaks_or_sleeps_are_none(exceptions: int, busy: float, heard_each: int) -> None:
    assert wrong(states(1000, exceptions, busy), heard_each) is None


def test_thirty_resets_without_a_byte_are_a_loop() -> None:
    found = wrong(states(1000, resets=1))
    assert found is not None and found[0] == 30
    assert found[1] == Stuck(
        "reset loop", "30 resets in 600 ms, the last because the firmware asked for it", 0x0800_0200
    )
    assert wrong(states(1000, resets=1), heard_each=20) is None


def test_a_program_that_computes_is_given_ten_seconds() -> None:
    found = wrong(states(1000, busy=1.0))
    assert found is not None and found[0] == 501 and found[1].kind == "endless loop"
    assert wrong(states(1000, busy=1.0), heard_each=100) is None


def test_one_that_renode_crawls_at_is_given_less_unless_somebody_looks_at_it() -> None:
    found = wrong(states(100, busy=1.0, worked_s=2.0))
    assert found is not None and found[0] == 3 and "Renode worked 6 s" in found[1].detail
    assert wrong(states(100, busy=1.0, worked_s=2.0), is_patient=True) is None
    assert wrong(states(100, busy=1.0, worked_s=0.02)) is None, "it runs at its speed"


def test_a_sleep_is_looked_at_after_two_seconds_without_an_exception() -> None:
    progress = Progress(ASLEEP, SPEED, 10.0, False)
    looked = []
    for number, state in enumerate(states(250), start=1):
        assert progress.passed(state, is_heard=False) is None
        looked += [number] if progress.is_asleep() else []
    assert looked == [100, 200]
    progress = Progress(ASLEEP, SPEED, 10.0, False)
    for state in states(250, exceptions=1):
        progress.passed(state, is_heard=False)
        assert not progress.is_asleep()
