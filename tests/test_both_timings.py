"""`--timing both`: the full mode's run is judged like the other."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import fakes
import pytest

from hil.bench import batch
from hil.bench.limits import Limits, Measurement
from hil.bench.run import Cycles

SLOW = (Measurement("cycles.total", 99, "cycle", 50),)


@pytest.mark.parametrize("fails", ["neither", "fast", "full"])
def test_a_full_run_that_fails_fails_the_image(fails: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Limits] = []
    full = fakes.run(
        cycles=Cycles("timing-model", 168_000_000, 75, {}, 1, "full"), measurements=SLOW if fails == "full" else ()
    )
    bench = SimpleNamespace(run=lambda photo, progress: full)
    monkeypatch.setattr(batch, "Bench", lambda firmware, target, limits: given.append(limits) or nullcontext(bench))
    monkeypatch.setattr(batch.targets, "create", lambda *_, **__: None)
    fast = fakes.run(
        cycles=Cycles("timing-model", 168_000_000, 71, {}, 1, "fast"), measurements=SLOW if fails == "fast" else ()
    )
    subject = batch.Subject(fast, None, {}, None)
    firmware, photo, limits = SimpleNamespace(board=None), SimpleNamespace(name="a.png"), {}
    (found,) = batch._with_full_timing(firmware, limits, [photo], [subject], lambda what, done: None)
    assert found.run.passed is (fails == "neither") and given == [limits]
    assert found.run is full if fails == "full" else found.run.cycles.full_total == 75
