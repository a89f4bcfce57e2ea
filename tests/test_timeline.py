"""A timeline of an image: what is on it, that it changes nothing, and that its viewers' files are sound."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from cli import hil
from compilers import needs

from hil import targets
from hil.bench.session import Bench
from hil.errors import HilError
from hil.firmware.build import Firmware, build
from hil.firmware.model import model_spec
from hil.measure import timeline as timelines
from hil.measure.timeline import EXCEPTIONS, FUNCTIONS, LAYERS, TO_BOARD, TO_HOST, Span, Timeline, trace_image
from hil.reference.photo import Photo, from_array, sample_photo
from hil.report.timeline import perfetto, speedscope
from hil.timing.profile import calls

MODEL, BOARD = "rnnpool_face_m4", "stm32f407_disco"
CHAIN_CYCLES = 80_000  # of chain_step itself, an image and layer

pytestmark = needs(BOARD)


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    return build(MODEL, BOARD, tmp_path_factory.mktemp("traced") / "firmware")


@pytest.fixture(scope="module")
def photo() -> Photo:
    return from_array(sample_photo(model_spec(MODEL)))


@pytest.fixture(scope="module")
def timeline(firmware: Firmware, photo: Photo) -> Timeline:
    return trace_image(firmware, photo)


def test_it_changes_no_cycle_and_layers_are_as_long_as_the_board_says(
    timeline: Timeline, firmware: Firmware, photo: Photo
) -> None:
    with Bench(firmware, targets.create("sim", firmware.board)) as bench:
        before = bench.target.observed()
        result = bench.client.infer(photo.pixels)
        after = bench.target.observed()
    assert before is not None and after is not None and before.cycles is not None and after.cycles is not None
    assert timeline.cycles == after.cycles - before.cycles
    found: Counter[str] = Counter()
    for span in timeline.track(LAYERS):
        found[span.name] += span.end - span.begin
    assert result.layer_cycles is not None
    for name, cycles in zip(firmware.layer_names, result.layer_cycles, strict=True):
        if cycles > 1_000_000:  # of a chain's layer the board counts what chain_step does around it, too
            assert cycles - max(CHAIN_CYCLES, 0.05 * cycles) < found[name] < 1.05 * cycles, name


def test_all_tracks_are_there(timeline: Timeline) -> None:
    tracks = {span.track for span in timeline.spans}
    assert {FUNCTIONS, LAYERS, EXCEPTIONS, TO_BOARD, TO_HOST} < tracks
    assert any("stream" in track for track in tracks), "DMA"
    assert {"SysTick"} < {span.name for span in timeline.track(EXCEPTIONS)}
    to_board = [span.name.split()[0] for span in timeline.track(TO_BOARD)]
    assert to_board.index("BEGIN") < to_board.index("TILE")
    assert not any(name == "damaged:" for name in to_board)
    assert all(0 <= span.begin <= span.end for span in timeline.spans if span.track in (FUNCTIONS, LAYERS))


def test_ram_in_use_follows_the_plan(timeline: Timeline, firmware: Firmware) -> None:
    last = max(buffer["last"] for buffer in firmware.plan["buffers"])
    moments = list(timelines._moments(timeline.track(FUNCTIONS), firmware.plan))
    assert moments[0][0] == 0 and moments[-1][0] == last, "rows, steps and the decoding are all there"
    arena = sum(max(b["offset"] + b["bytes"] for b in firmware.plan["buffers"] if b["place"] == place)
                for place in {b["place"] for b in firmware.plan["buffers"]})  # fmt: skip
    assert 0 < max(level.used for level in timeline.levels) <= arena


def test_perfettos_file_is_sound(timeline: Timeline, firmware: Firmware) -> None:
    events = json.loads(perfetto(timeline))["traceEvents"]
    spans = [event for event in events if event["ph"] == "X"]
    assert len(spans) == len(timeline.spans) and all(event["dur"] >= 0 for event in spans)
    named = {event["tid"] for event in events if event["name"] == "thread_name"}
    assert {event["tid"] for event in spans} == named
    places = {buffer["place"] for buffer in firmware.plan["buffers"]}
    assert {event["name"] for event in events if event["ph"] == "C"} == {f"RAM in use, {place}" for place in places}
    whole = next(event for event in spans if event["name"] == "model_push_row")
    assert whole["dur"] == pytest.approx(1e6 * whole["args"]["cycles"] / timeline.clock_hz, abs=0.002)


def test_speedscopes_calls_open_and_close_in_order(timeline: Timeline) -> None:
    found: dict[str, Any] = json.loads(speedscope(timeline))
    (profile,) = found["profiles"]
    names = [frame["name"] for frame in found["shared"]["frames"]]
    open_: list[int] = []
    at = 0.0
    for event in profile["events"]:
        assert event["at"] >= at
        at = event["at"]
        if event["type"] == "O":
            open_.append(event["frame"])
        else:
            assert open_.pop() == event["frame"]
    assert not open_ and at <= profile["endValue"] and "rnnpool_step" in names


def test_calls_that_have_not_ended_end_with_the_run() -> None:
    outer, inner = Span(FUNCTIONS, "outer", 0, 10), Span(FUNCTIONS, "inner", 4, 10, 1)
    text = speedscope(Timeline("t", 1_000_000, 10, (outer, inner), ()))
    kinds = [event["type"] for event in json.loads(text)["profiles"][0]["events"]]
    assert kinds == ["O", "O", "C", "C"]


def test_too_many_calls_are_named(firmware: Firmware, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls.Calls, "take", _full(calls.Calls.take))
    with pytest.raises(HilError, match="leave out more of the short ones"):
        trace_image(firmware, photo)


def _full(take: Any) -> Any:
    def full(self: calls.Calls, now: int) -> Any:
        self._table[calls.IS_FULL] = 1
        return take(self, now)

    return full


def test_the_command_writes_both_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = hil(capsys, monkeypatch, "trace", MODEL, "missing.png")
    assert outcome.code == 2 and "missing.png" in outcome.err
    outcome = hil(capsys, monkeypatch, "trace", MODEL, "missing.png", "--timing", "slow")
    assert outcome.code == 2 and "slow" in outcome.err
