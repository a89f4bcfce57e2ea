"""A run fails when it should: what a target reports is changed, and the verdict names what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from hil.bench.bit_flips import BitFlips
from hil.bench.run import Run
from hil.bench.session import Bench
from hil.errors import HilError
from hil.link import ProtocolError, Result
from hil.link.messages import Counter
from hil.reference.photo import Photo

Load = Callable[[str], Photo]
Report = Callable[[Result], Result]


def judged(bench: Bench, photo: Photo, report: Report) -> Run:
    """A run whose result was changed on its way."""
    sound = bench.client.infer
    bench.client.infer = lambda *a, **k: report(sound(*a, **k))  # type: ignore[method-assign]
    return bench.run(photo)


def faults(run: Run) -> set[str]:
    assert not run.passed
    return {fault.name for fault in run.faults}


def need_cycles(bench: Bench) -> None:
    if bench.target.capabilities.cycles is None:
        pytest.skip(f"target {bench.target.name} counts no cycles: use --hil-target sim")


def test_a_counter_that_stands_still_fails(hil_bench: Bench, load: Load) -> None:
    need_cycles(hil_bench)
    run = judged(hil_bench, load("coins"), lambda r: replace(r, total_cycles=0, counter=Counter.STANDS_STILL))
    assert "cycles.implausible" in faults(run)
    assert any("stands still" in str(fault) for fault in run.faults)


def test_a_target_that_can_count_and_does_not_fails(hil_bench: Bench, load: Load) -> None:
    need_cycles(hil_bench)
    run = judged(hil_bench, load("coins"), lambda r: replace(r, total_cycles=None, layer_cycles=None))
    assert "cycles.implausible" in faults(run)


def test_a_stack_that_was_never_used_fails(hil_bench: Bench, load: Load) -> None:
    if not hil_bench.target.capabilities.measures_memory:
        pytest.skip(f"target {hil_bench.target.name} has the computer's stack: use --hil-target sim")
    assert "ram.stack_used" in faults(judged(hil_bench, load("coins"), lambda r: replace(r, stack_used=0)))


def test_a_heap_that_no_board_has_fails(hil_bench: Bench, load: Load) -> None:
    if not hil_bench.target.capabilities.measures_memory:
        pytest.skip(f"target {hil_bench.target.name} has the computer's heap: use --hil-target sim")
    assert "ram.heap_used" in faults(judged(hil_bench, load("coins"), lambda r: replace(r, heap_used=1 << 28)))


def test_an_arena_that_was_used_further_than_is_said_fails(hil_bench: Bench, load: Load) -> None:
    if not hil_bench.target.capabilities.reads_memory:
        pytest.skip(f"target {hil_bench.target.name} lets nobody look into its memory: use --hil-target sim")
    run = judged(hil_bench, load("coins"), lambda r: replace(r, arena_used=(r.arena_used or 0) - 1))
    assert "watermarks.arena_beyond" in faults(run)


def test_time_that_is_said_to_be_another_layers_fails(hil_bench: Bench, load: Load) -> None:
    need_cycles(hil_bench)

    def moved(result: Result) -> Result:
        layers = list(result.layer_cycles or [])
        largest, smallest = layers.index(max(layers)), layers.index(min(layers))
        layers[largest], layers[smallest] = layers[smallest], layers[largest]
        return replace(result, layer_cycles=layers)

    assert "cycles.implausible" in faults(judged(hil_bench, load("coins"), moved))


def test_what_is_not_measured_here_is_named(portrait_run: Run) -> None:
    known = {m.name for m in portrait_run.measurements if m.value is not None}
    assert not known & set(portrait_run.not_measured)
    assert portrait_run.cycles.source is not None or "cycles.implausible" in portrait_run.not_measured


@pytest.mark.parametrize("digests", [lambda d: d[:-1], lambda d: [*d, 0], lambda d: None], ids=["few", "many", "none"])
def test_digests_of_other_tensors_are_a_protocol_error(
    hil_bench: Bench, load: Load, digests: Callable[[list[int]], list[int] | None]
) -> None:
    with pytest.raises(ProtocolError, match="digests of"):
        judged(hil_bench, load("coins"), lambda r: replace(r, digests=digests(r.digests or [])))


def test_an_answer_to_another_photo_fails(hil_bench: Bench, load: Load) -> None:
    old, sound = hil_bench.infer(load("coins").pixels), hil_bench.client.infer
    hil_bench.client.infer = lambda *a, **k: old if k.get("digests") else sound(*a, **k)  # type: ignore[method-assign]
    with pytest.raises(HilError, match="image differed from the reference while the image ran"):
        hil_bench.run(load("drawn1"))


def test_a_bit_that_changes_in_memory_is_seen(hil_bench: Bench, hil_faults: BitFlips, load: Load) -> None:
    """One in each row of the image that the first layer has yet to read; the image after it is as ever."""
    rows = next(buffer for buffer in hil_bench.firmware.plan["buffers"] if buffer["name"] == "image_rows")
    pitch = rows["bytes"] // rows["rows"]
    for row in range(rows["rows"]):
        hil_faults.flip_bit(f"image_rows+{row * pitch + pitch // 2}", 7, function="model_push_row", call=20)
    with pytest.raises(HilError, match="differed from the reference .* and agrees when it is run again"):
        hil_bench.run(load("camera"))
    assert hil_faults.have_happened
    assert hil_bench.run(load("camera")).bit_exact
