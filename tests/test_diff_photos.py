"""Drawn photos through a firmware on two emulators: that they agree, and that the first difference is named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cli import hil
from compilers import needs

from hil.firmware.build import Firmware, build
from hil.measure import drawn_photos
from hil.measure.drawn_photos import Exchange, exchanges, photo_disagreements

pytestmark = needs("stm32f407_disco")


@pytest.fixture(scope="module")
def firmware() -> Firmware:
    return build("rnnpool_face_m4", "stm32f407_disco")


@pytest.fixture(scope="module")
def exchange(firmware: Firmware) -> Exchange:
    (found,) = exchanges(firmware, "sim", range(5, 6), lambda what, done: None, 0)
    return found


def changed(exchange: Exchange, **result: object) -> Exchange:
    return replace(exchange, result=replace(exchange.result, **result))  # type: ignore[arg-type]


def test_the_first_difference_is_named(firmware: Firmware, exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = list(exchange.result.digests or [])
    digests[2] ^= 1
    last = len(exchange.sent) - 1
    for other, said in (
        (replace(exchange, sent=exchange.sent[:-1]), f"byte {last} to the board: {exchange.sent[-1]} and None"),
        (changed(exchange, digests=digests, heap_used=8), f"digest of {firmware.tensor_names[2]}: 0x"),
        (changed(exchange, detections=[]), "detections: [("),
        (changed(exchange, arena_used=1), f"arena_used: {exchange.result.arena_used} and 1"),
    ):
        both = {"sim": [exchange], "renode": [other]}
        monkeypatch.setattr(drawn_photos, "exchanges", lambda firmware, name, *_, both=both: both[name])
        (found,) = photo_disagreements(firmware, 5, 1)
        assert str(found).startswith(f"seed 5: {said}")


def test_cycles_and_stack_are_each_ones_own(
    firmware: Firmware, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = {"sim": [exchange], "renode": [changed(exchange, total_cycles=1, stack_used=4)]}
    monkeypatch.setattr(drawn_photos, "exchanges", lambda firmware, name, *_: both[name])
    assert photo_disagreements(firmware, 5, 1) == []


@pytest.mark.xdist_group("renode")
@pytest.mark.usefixtures("renode_here")
def test_the_two_emulators_agree(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = hil(capsys, monkeypatch, "diff-emulators", "--model", "rnnpool_face_m4", "--count", "2", "--seed", "7")
    assert outcome.code == 0, outcome.err
    assert "0 of 2 photos differ between sim and Renode" in outcome.out
