"""Each layer by itself in floating point: rounding is small in all of them, and what is more has the layer's name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from networks import TINY, detector, images, quantised, randomise
from test_layers import CASES

from hil.bench import drawn, layer_path
from hil.bench.layer_path import CLOSE, layers_apart
from hil.compiler import QuantisedGraph, compile_network, integer
from hil.compiler.quantised.graph import QConv, QPool
from hil.compiler.reading.calibrate import calibrate
from hil.errors import HilError
from hil.selftest import subjects

NETWORK = detector(TINY)
GRAPH = quantised(NETWORK)
PIXELS = images(NETWORK, 1, seed=9)[0]
LIMIT, CUT = 2, 0.1  # platforms/limits.toml


def layer_distances(*arguments: Any) -> dict[str, float]:
    return {name: apart.distance for name, apart in layers_apart(*arguments).items()}


def distances(graph: QuantisedGraph, pixels: np.ndarray = PIXELS) -> dict[str, float]:
    return layer_distances(NETWORK, graph, integer.run(graph, pixels), pixels)


def changed(name: str, **changes: Callable[[Any], Any]) -> QuantisedGraph:
    layers = [
        dataclasses.replace(layer, **{field: function(getattr(layer, field)) for field, function in changes.items()})
        if layer.name == name
        else layer
        for layer in GRAPH.layers
    ]
    return dataclasses.replace(GRAPH, layers=tuple(layers))


@pytest.mark.parametrize("pixels", [PIXELS, np.zeros_like(PIXELS), np.full_like(PIXELS, 255)], ids=["any", "0", "255"])
def test_rounding_moves_no_layer_by_more_than_a_step(pixels: np.ndarray) -> None:
    found = distances(GRAPH, pixels)
    assert max(found.values()) <= CLOSE, found
    whole = {layer.name for layer in GRAPH.layers if not layer.name.startswith("head")}
    heads = {f"{part}{i}" for part in ("loc", "conf") for i in range(len(TINY.sources))}
    assert set(found) == whole | heads


@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_layer_is_near_floating_point(case: str) -> None:
    network = randomise(CASES[case]())
    graph = quantised(network)
    for pixels in (images(network, 1, seed=7)[0], np.zeros_like(images(network, 1, seed=7)[0])):
        found = layer_distances(network, graph, integer.run(graph, pixels), pixels)
        assert max(found.values()) <= LIMIT, found


CONVOLUTIONS = [layer.name for layer in GRAPH.layers if isinstance(layer, QConv) and not layer.name.startswith("head")]


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_weights_that_both_sides_have_wrong_show_in_their_layer_alone(name: str) -> None:
    found = distances(changed(name, weight=lambda w: w // 2))
    assert found.pop(name) > LIMIT
    assert max(found.values()) <= CLOSE


def test_a_single_channel_shows() -> None:
    def one_gone(weight: np.ndarray) -> np.ndarray:
        return np.concatenate([0 * weight[:1], weight[1:]])

    assert distances(changed("conv0", weight=one_gone))["conv0"] > LIMIT


def test_offsets_that_are_not_made_where_the_score_passes_show() -> None:
    """Zeros are what a device leaves where it does not."""
    assert GRAPH.detector is not None
    source = GRAPH.detector.sources[0]
    offsets = slice(source.loc_channel, source.loc_channel + 4)

    def none(values: np.ndarray) -> np.ndarray:
        gone = values.copy()
        gone[offsets] = 0
        return gone

    found = distances(changed(source.loc, weight=none, bias=none))
    assert found["loc0"] > LIMIT


def test_a_range_that_is_too_small_is_named_by_its_layer() -> None:
    found = layers_apart(NETWORK, GRAPH, integer.run(GRAPH, PIXELS), PIXELS)
    assert max(apart.cut for apart in found.values()) < CUT
    ranges = calibrate(NETWORK, images(NETWORK, 4))
    small = compile_network(NETWORK, ranges | {"conv0": 0.2 * ranges["conv0"]})
    found = layers_apart(NETWORK, small, integer.run(small, PIXELS), PIXELS)
    assert max(found, key=lambda name: found[name].cut) == "conv0" and found["conv0"].cut > CUT


@pytest.mark.parametrize("part", ["cell1", "cell2"])
@pytest.mark.parametrize("field", ["w", "gates"])
def test_a_cell_that_both_sides_have_wrong_shows(part: str, field: str) -> None:
    pool = next(layer.name for layer in GRAPH.layers if isinstance(layer, QPool))

    def wrong(cell: Any) -> Any:
        return dataclasses.replace(cell, **{field: getattr(cell, field)[::-1].copy()})

    assert distances(changed(pool, **{part: wrong}))[pool] > LIMIT


def test_outputs_of_another_shape_are_an_error_with_the_layers_name() -> None:
    assert GRAPH.detector is not None
    sources = tuple(dataclasses.replace(source, conf_channel=3) for source in GRAPH.detector.sources)
    graph = dataclasses.replace(GRAPH, detector=dataclasses.replace(GRAPH.detector, sources=sources))
    with pytest.raises(HilError, match=r"conf0 is \(.*\) on the device, \(.*\) in the float model"):
        layer_distances(NETWORK, graph, integer.run(GRAPH, PIXELS), PIXELS)


def test_weights_whose_sums_cancel_are_held_against_rounded_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """What random weights do behind an RNNPool whose channels hardly differ from pixel to pixel."""
    monkeypatch.setattr(subjects, "LIVELY", 1)
    subject = subjects.make("tiny")
    network, graph, pixels = subject.network, subject.graph, drawn.draw(subject.network.spec, 7).pixels
    trace = integer.run(graph, pixels)
    assert max(layer_distances(network, graph, trace, pixels).values()) <= CLOSE
    monkeypatch.setattr(layer_path, "CLOSE", 1e9)
    assert layer_distances(network, graph, trace, pixels)["mob0_expand"] > LIMIT


def test_every_layer_has_its_turn() -> None:
    graph = changed("conv0", weight=lambda w: w // 2)
    trace = integer.run(graph, PIXELS)
    parts = [layer_distances(NETWORK, graph, trace, PIXELS, turn) for turn in range(1, 1 + layer_path.TURNS)]
    whole = layer_distances(NETWORK, graph, trace, PIXELS)
    assert {name: distance for part in parts for name, distance in part.items()} == pytest.approx(whole)
    assert all(len(part) <= len(whole) / 2 for part in parts)
