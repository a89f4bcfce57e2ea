"""The campaign on the link, ten thousand faults of it; and that it finds defects that are put in on purpose."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from board_programs import need_compiler
from stub_firmware import expected_boxes, random_image

from hil import board
from hil.errors import HilError
from hil.link import Client, Result, frames, upload
from hil.link.bound import Bound
from hil.link.frames import Frame
from hil.targets.base import TargetLostError
from hil.targets.native import NativeTarget
from hil.targets.recording import Recorder, Recording
from hil.targets.replay import ReplayTarget
from hil.targets.sim import SimTarget
from hil.torture import campaign as campaigns
from hil.torture.campaign import is_prompt
from hil.torture.cases import ENDINGS, KINDS, Case, case
from hil.torture.lies import hosts_frame
from hil.torture.line import HARMS, Fault
from hil.torture.prompt import PromptTarget
from hil.torture.trial import EXACT, Outcome, Stage, attempt, found, run_case, session_bytes

F407 = board.load("stm32f407_disco")
SESSIONS = 640  # a quarter of them with 40 faults on the line, a quarter with 200 frames of a lying host


def staged(target: NativeTarget | SimTarget, elf: Path, timeout_s: float) -> Stage:
    target.boot(elf)
    runs = []
    for seed in range(3):
        image = random_image(seed)
        expected = found(Client(target).infer(image, digests=True))
        assert expected[0] == expected_boxes(image)
        runs.append((image, expected))
    return Stage(target, elf, runs, timeout_s)


@pytest.fixture(scope="module")
def stage(stub_native: Path) -> Iterator[Stage]:
    with PromptTarget(F407) if is_prompt() else NativeTarget(F407) as target:
        yield staged(target, stub_native, 0.01)  # it answers at once: what has not come by then is lost


@pytest.fixture(scope="module")
def on_sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    import stub_firmware

    need_compiler()
    elf = stub_firmware.build(F407.name, tmp_path_factory.mktemp("torture") / F407.name)
    with SimTarget(F407) as target:
        yield staged(target, elf, 0.05)


def campaign(stage: Stage, numbers: range, seed: int = 1) -> tuple[list[Outcome], Counter[str]]:
    size = session_bytes(stage)
    outcomes = [attempt(stage, case(seed, number, size)) for number in numbers]
    happened = Counter[str]()
    for outcome in outcomes:
        happened.update(outcome.faults)
    return outcomes, happened


def bad(outcomes: list[Outcome]) -> list[str]:
    return [f"{outcome.result}: {outcome.detail}" for outcome in outcomes if outcome.is_bad]


def test_ten_thousand_faults_change_no_result_and_hang_nothing(stage: Stage) -> None:
    outcomes, happened = campaign(stage, range(SESSIONS))
    assert not bad(outcomes)
    assert happened.total() >= 10_000
    assert happened.keys() >= {*HARMS, *ENDINGS, "lying host", "field", "object", "zeros", "chatter", "silence"}
    assert Counter(outcome.result for outcome in outcomes)[EXACT] > SESSIONS / 5


def test_so_it_is_on_the_simulated_board(on_sim: Stage) -> None:
    outcomes, happened = campaign(on_sim, range(40), seed=2)
    assert not bad(outcomes) and happened.total() > 500


def test_a_case_is_the_same_for_the_same_seed() -> None:
    assert [case(5, n, 1000) for n in range(40)] == [case(5, n, 1000) for n in range(40)]
    assert case(5, 0, 1000) != case(6, 0, 1000)
    one, other = (hosts_frame(case(5, 3, 1000).dice("host"), 7) for _ in range(2))
    assert one == other


def test_bytes_that_a_board_lost_to_a_liar_are_no_defect(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = 1

    class Losing(Client):
        def infer(self, *arguments: Any, **named: Any) -> Result:
            return replace(super().infer(*arguments, **named), board_overruns=lost)

    def restart(stage: Stage) -> None:
        nonlocal lost
        lost = 0

    monkeypatch.setattr("hil.torture.trial.Client", Losing)
    monkeypatch.setattr(Stage, "restart", restart)
    assert attempt(stage, case(1, 3, 1000)).result == "firmware lives"
    lost = 1
    assert attempt(stage, Case(1, 0, "line")).is_bad


def test_so_it_is_with_a_recorded_session(stage: Stage, tmp_path: Path) -> None:
    """The host hears what was not recorded, or says it: a named error, never another result."""
    image, expected = stage.runs[0]
    with Recorder(NativeTarget(F407), tmp_path / "link.rec") as recorder:
        recorder.boot(stage.elf)
        Client(recorder, timeout_s=stage.timeout_s).infer(image, digests=True)
    recording, size = Recording.load(tmp_path / "link.rec"), session_bytes(stage)
    outcomes = []
    for one in (case(8, number, size) for number in range(800)):
        if one.kind != "lying host":
            target = ReplayTarget(F407, recording)
            target.boot(stage.elf)
            outcomes.append(run_case(Stage(target, stage.elf, [(image, expected)], stage.timeout_s), one))
    assert not bad(outcomes)
    results = Counter(outcome.result for outcome in outcomes)
    assert results["ReplayError"] > 100 and results["TargetLostError"] and results["BadAnswer"], results
    assert sum(sum(outcome.faults.values()) for outcome in outcomes) > 500


@pytest.mark.skipif(not is_prompt(), reason="needs Linux's /proc")
def test_what_comes_of_a_case_is_the_same_each_time(stage: Stage) -> None:
    one, other = (campaign(stage, range(40), seed=3)[0] for _ in range(2))
    assert one == other


@pytest.mark.skipif(not is_prompt(), reason="needs Linux's /proc")
def test_a_program_that_neither_answers_nor_sleeps_ends_the_wait(
    stub_native: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.torture.prompt._MOST_LOOKS", 60)
    with PromptTarget(F407) as target:
        target.boot(stub_native)
        os.kill(target._running().pid, signal.SIGSTOP)
        with pytest.raises(TargetLostError, match="neither answers nor sleeps"):
            target.write(b"\0")


def test_endings_come_at_every_byte_in_both_directions() -> None:
    size = 50
    numbers = [n for n in range(2 * size * len(ENDINGS) * len(KINDS)) if KINDS[n % len(KINDS)] == "ending"]
    places = {(f.kind, f.direction, f.at) for n in numbers for f in case(0, n, size).faults}
    assert places == {(kind, way, at) for kind in ENDINGS for way in ("out", "home") for at in range(size)}


def test_a_campaign_goes_on_where_it_was_stopped(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns, "BLOCK", 8)
    monkeypatch.setattr(campaigns, "_firmware", lambda campaign: None)
    monkeypatch.setattr(campaigns, "_staged", lambda campaign: contextlib.nullcontext(stage))
    whole = campaigns.run(campaigns.Campaign("native", 3, 24, tmp_path / "whole"))
    campaigns.run(campaigns.Campaign("native", 3, 8, tmp_path / "parts"))
    with campaigns.Campaign("native", 3, 24, tmp_path / "parts").file.open("a") as file:
        file.write('{"number": 1, "faults": {"fl')  # the process ended here
    tried: list[int] = []
    monkeypatch.setattr(campaigns, "attempt", lambda stage, case: (tried.append(case.number), attempt(stage, case))[1])
    parts = campaigns.run(campaigns.Campaign("native", 3, 24, tmp_path / "parts"))
    assert tried == list(range(8, 24)) and (parts.cases, whole.cases) == (24, 24)
    assert not parts.failures and parts.faults["lying host"] == whole.faults["lying host"]
    with pytest.raises(HilError, match="no target is called 'moon'"):
        campaigns.run(campaigns.Campaign("moon", 3, 8, tmp_path))


# -- defects, put in on purpose


def test_a_crc_that_is_not_checked_is_found(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def unchecked(piece: bytes) -> Frame | frames.Damage:
        try:
            body = frames.cobs.decode(piece)
        except frames.cobs.DecodeError as error:
            return frames.Damage(str(error), piece)
        if len(body) < 7:
            return frames.Damage("short", piece)
        return Frame(body[0], int.from_bytes(body[1:3], "little"), body[3:-4])

    monkeypatch.setattr(frames, "decode", unchecked)
    places = range(0, session_bytes(stage), 5)
    outcomes = [attempt(stage, Case(1, 0, "line", [Fault("flip", "home", at)])) for at in places]
    assert any(outcome.result == "wrong result" for outcome in outcomes)


def test_an_exchange_without_bound_is_found(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bound, "_raise", lambda self, spent: None)
    monkeypatch.setattr("hil.torture.line.MOST_READS", 20_000)
    endless = Case(1, 2, "lying board", lies={3: "chatter"})
    assert attempt(stage, endless).result == "hang"


def test_a_credit_that_is_lost_is_found(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    send_tile = upload.Upload._send_tile

    def counted_twice(self: upload.Upload, size: int) -> int:
        sequence = send_tile(self, size)
        self._on_the_way.append(((sequence + 0x4000) & 0xFFFF, self._credit))  # nothing ever takes it back
        self._bytes_on_the_way += self._credit
        return sequence

    monkeypatch.setattr(upload.Upload, "_send_tile", counted_twice)
    monkeypatch.setattr("hil.link.bound.SECONDS", 0.5)
    assert attempt(stage, Case(1, 0, "line", [Fault("flip", "out", 10**6)])).result == "next run not clean"


def test_a_firmware_that_dies_of_a_lie_is_found(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    provoke = frames.encode(Frame(7, 1, b"\x09"))
    monkeypatch.setattr("hil.torture.trial.hosts_frame", lambda dice, session: provoke)
    outcome = attempt(stage, case(1, 3, 1000))
    assert outcome.result == "firmware crashed"
    assert not attempt(stage, case(1, 0, 1000)).is_bad, "and the target was started again"
