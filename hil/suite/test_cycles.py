"""Cycles are counted, layer by layer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hil.bench.run import Cycles, Run
from hil.bench.session import Bench
from hil.firmware.build import Firmware
from hil.reference.photo import Photo

SAMPLED = 200  # cycles by which two images may differ in fast mode, however short they are


@pytest.fixture
def cycles(portrait_run: Run) -> Cycles:
    if portrait_run.cycles.source is None:
        pytest.skip(f"target {portrait_run.target} counts no cycles: use --hil-target sim")
    return portrait_run.cycles


def test_every_layer_has_cycles(cycles: Cycles, hil_firmware: Firmware) -> None:
    assert cycles.layers is not None
    assert list(cycles.layers) == hil_firmware.layer_names
    assert all(spent > 0 for spent in cycles.layers.values())


def test_layers_and_decoding_add_up_to_the_total(cycles: Cycles) -> None:
    assert cycles.layers is not None and cycles.total is not None and cycles.decode is not None
    assert cycles.schedule is not None
    parts = sum(cycles.layers.values()) + cycles.decode + cycles.schedule
    assert 0.995 * cycles.total <= parts <= 1.005 * cycles.total


def test_the_same_image_costs_the_same_again(hil_bench: Bench, load: Callable[[str], Photo]) -> None:
    if hil_bench.target.capabilities.cycles is None or not hil_bench.target.capabilities.virtual_time:
        pytest.skip(f"target {hil_bench.target.name} is not deterministic in time: use --hil-target sim")
    is_fast = hil_bench.target.capabilities.timing == "fast"
    if is_fast:  # it learns in the first where accesses go, and samples after that (docs/timing.md)
        hil_bench.run(load("camera"))
    first, second = (hil_bench.run(load("camera")).cycles for _ in range(2))
    assert first.total is not None and second.total is not None
    if is_fast:
        assert abs(first.total - second.total) <= max(SAMPLED, 1e-5 * first.total)
    elif hil_bench.target.capabilities.cycles == "instructions":  # told from a time in nanoseconds
        assert abs(first.total - second.total) <= 2
    else:
        assert first == second


def test_looking_into_layers_costs_the_network_nothing(hil_bench: Bench, load: Callable[[str], Photo]) -> None:
    if hil_bench.target.capabilities.cycles is None:
        pytest.skip(f"target {hil_bench.target.name} counts no cycles: use --hil-target sim")
    pixels = load("camera").pixels
    plain, watched = hil_bench.client.infer(pixels).total_cycles, hil_bench.infer(pixels).total_cycles
    assert plain is not None and watched is not None and abs(watched - plain) <= 0.01 * plain
