"""Cycles that cannot be true are told apart from those that are."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hil.bench.plausible import Seen, implausible, off_prediction
from hil.bench.run import Cycles, LinkCounts
from hil.link.messages import Counter

MACS = {"conv0": 1000, "add": 0, "head": 400}
SEEN = Seen(1500, 5000)
SOUND = Cycles("dwt", 168_000_000, 2000, {"conv0": 1200, "add": 90, "head": 500}, 150, schedule=60)


def faults(counter: Counter = Counter.RUNS, seen: Seen | None = SEEN, **changes: Any) -> list[str]:
    return implausible(dataclasses.replace(SOUND, **changes), counter, MACS, seen)


def test_a_sound_run_has_none() -> None:
    assert faults() == faults(seen=None) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"counter": Counter.STANDS_STILL}, "stands still"),
        ({"counter": Counter.RAN_BACK}, "went backwards"),
        ({"layers": {"conv0": 1200, "add": 0, "head": 500}}, "layer add took no cycles"),
        ({"layers": {"conv0": 499, "add": 790, "head": 500}}, "layer conv0 took 499 cycles, at least 500"),
        ({"total": 2100}, "make 2000 cycles, the total is 2100"),
        ({"decode": 100_000}, "make 101850 cycles, the total is 2000"),
        ({"schedule": 0}, "make 1940 cycles"),
        ({"schedule": 0}, "the schedule took no cycles"),
        ({"total": 600}, "the image took 600 cycles, at least 700"),
        ({"seen": Seen(0, 1999)}, "the target saw at most 1999 pass"),
        ({"seen": Seen(2001, 5000)}, "the target saw at least 2001 pass"),
    ],
)
def test_what_cannot_be_is_named(changes: dict[str, Any], words: str) -> None:
    assert any(words in fault for fault in faults(**changes)), faults(**changes)


def test_a_layer_far_off_its_prediction_is_named_and_one_that_is_near_is_not() -> None:
    def wrong(head: int, spent: int = 50_000) -> list[str]:
        cycles = dataclasses.replace(SOUND, layers={"conv0": 120_000, "head": spent}, total=170_000 + spent - 50_000)
        return implausible(cycles, Counter.RUNS, MACS, None, {"conv0": 120_000, "head": head})

    assert wrong(50_000) == wrong(120_000) == wrong(21_000) == []
    assert wrong(130_000) == ["layer head took 50000 cycles, 130000 were predicted"]
    assert wrong(19_000) == ["layer head took 50000 cycles, 19000 were predicted"]
    assert wrong(2_390, 400) == [], "a layer of a few pixels is all setting out"
    assert wrong(2_410, 400) == ["layer head took 400 cycles, 2410 were predicted"]


def test_decoding_that_took_nothing_is_named_where_boxes_are_decoded() -> None:
    moved = dataclasses.replace(SOUND, decode=0, schedule=210)
    assert implausible(moved, Counter.RUNS, MACS, None) == []
    assert implausible(moved, Counter.RUNS, MACS, None, decodes=True) == ["decoding took no cycles"]


def test_what_the_target_saw_bounds_the_total_from_both_sides() -> None:
    link = LinkCounts(10_000, 90_000, 0)
    seen = Seen.of(140_000_000, link, 1_650_000)
    assert seen is not None and 48e6 < seen.least < 49e6 and 121e6 < seen.most < 122e6
    again = Seen.of(140_000_000, dataclasses.replace(link, retries=1), 1_650_000)
    assert again == Seen(0, seen.most) and Seen.of(None, link, 1_650_000) is None


def test_a_sum_may_be_off_by_what_nobody_counts() -> None:
    assert faults(total=2009) == []
    assert faults(total=2011) != []
    assert implausible(dataclasses.replace(SOUND, total=2240), Counter.RUNS, MACS, None, rows=2) == []
    assert implausible(dataclasses.replace(SOUND, total=2241), Counter.RUNS, MACS, None, rows=2) != []


def test_a_counter_that_runs_double_is_off_what_was_predicted() -> None:
    assert off_prediction(SOUND, 1900) == pytest.approx(2000 / 1900)
    assert off_prediction(dataclasses.replace(SOUND, total=4000), 1900) == pytest.approx(4000 / 1900)
    assert off_prediction(dataclasses.replace(SOUND, total=1000), 1900) == pytest.approx(1.9)
    assert off_prediction(dataclasses.replace(SOUND, total=0), 1900) is None
