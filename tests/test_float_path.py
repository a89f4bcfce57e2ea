"""The way to the float model that shares nothing with the compiler sees what both sides of the device get wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from networks import TINY, Classifier, detector, images, quantised, randomise

from hil.bench import float_path
from hil.bench.float_path import Head, Outputs
from hil.compiler import QuantisedGraph, decode, integer
from hil.compiler.check import check_graph
from hil.errors import HilError

NETWORK = detector(TINY)
GRAPH = quantised(NETWORK)
PIXELS = images(NETWORK, 1, seed=9)[0]


def outputs(graph: QuantisedGraph = GRAPH) -> Outputs:
    assert graph.detector is not None
    trace = integer.run(graph, PIXELS)
    sources = graph.detector.sources
    heads = [Head(trace[s.loc], s.loc_channel, trace[s.conf], s.conf_channel) for s in sources]
    return float_path.device_outputs(heads, TINY)


def with_detector(**changes: Any) -> QuantisedGraph:
    assert GRAPH.detector is not None
    return dataclasses.replace(GRAPH, detector=dataclasses.replace(GRAPH.detector, **changes))


def own_boxes(graph: QuantisedGraph) -> np.ndarray:
    return decode.detect(graph, integer.run(graph, PIXELS))


def kept_outputs() -> float_path.Outputs:
    return float_path.as_candidates(outputs())


def test_the_float_decoder_makes_the_devices_boxes_of_its_outputs() -> None:
    boxes = own_boxes(GRAPH)
    assert len(boxes) > 5
    assert float_path.without_twin(boxes, float_path.decoded(kept_outputs(), TINY, as_device=True)) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"variances": (0.1, 0.1)}, {"variances": (0.1, 0.35)}, {"variances": (0.2, 0.2)}, {"nms_iou": 0.9},
        {"nms_iou": 0.1}, {"threshold": 400}, {"threshold": -900}, {"detections": 2}, {"candidates": 3},
    ],
    ids=str,
)  # fmt: skip
def test_a_rule_that_both_sides_have_wrong_shows(changes: dict[str, Any]) -> None:
    boxes = own_boxes(with_detector(**changes))
    assert float_path.without_twin(boxes, float_path.decoded(kept_outputs(), TINY, as_device=True)) > 2


def test_a_box_is_the_twin_of_one_and_the_best_comes_first() -> None:
    boxes = own_boxes(GRAPH)
    twice = np.concatenate([boxes[:1], boxes])
    assert float_path.without_twin(twice, boxes) == 1 and float_path.differing(twice, outputs(), TINY) == 1
    reversed_ = boxes[::-1]
    assert float_path.without_twin(reversed_, boxes) == 0 and float_path.differing(reversed_, outputs(), TINY) > 2
    assert float_path.out_of_order(boxes[:0]) == float_path.out_of_order(boxes) == 0


def test_candidates_keep_offsets_in_8_bits() -> None:
    made = float_path.Outputs(np.array([[0.031, 0.032, -0.031, 9.0], [-0.032, -8.1, 7.95, 0.5]]), np.zeros((2, 2)))
    kept = float_path.as_candidates(made).offsets
    assert kept.tolist() == [[0.0, 0.0625, 0.0, 7.9375], [-0.0625, -8.0, 7.9375, 0.5]]


def test_outputs_that_both_sides_have_wrong_show() -> None:
    floating = float_path.float_outputs(NETWORK, PIXELS)
    sound, changed = outputs(), outputs(halved(GRAPH))
    wrong, right = (float_path.offset_error(found, floating, TINY.score_threshold) for found in (changed, sound))
    assert wrong > 2 * right > 0
    assert float_path.score_error(changed, floating) > 2 * float_path.score_error(sound, floating)


def test_offsets_count_where_scores_pass_and_wherever_else_they_are_made() -> None:
    made, scores = np.array([[1.0] * 4, [0.0] * 4]), np.array([[0.0, 2.0], [0.0, -2.0]])
    device, floating = Outputs(made, scores), Outputs(made + 0.5, scores)
    assert float_path.offset_error(device, floating, 0.3) == 0.5
    everywhere = Outputs(np.array([[1.0] * 4, [0.5] * 4]), scores)
    assert float_path.offset_error(everywhere, floating, 0.3) == pytest.approx(0.5 / 2**0.5)
    nothing_read = Outputs(np.zeros((2, 4)), np.array([[0.0, -2.0]] * 2))
    assert float_path.offset_error(nothing_read, floating, 0.3) == 0
    missing = Outputs(np.zeros((2, 4)), scores)
    assert float_path.offset_error(missing, floating, 0.3) == 1.5


def halved(graph: QuantisedGraph) -> QuantisedGraph:
    """The heads' multipliers halved."""
    heads = {s.loc for s in graph.detector.sources} | {s.conf for s in graph.detector.sources}  # type: ignore[union-attr]
    layers: list[Any] = [
        dataclasses.replace(layer, multiplier=layer.multiplier // 2) if layer.name in heads else layer
        for layer in graph.layers
    ]
    return dataclasses.replace(graph, layers=tuple(layers))


def test_overlap_that_is_the_limit_but_for_rounding_is_no_difference() -> None:
    spec = dataclasses.replace(TINY, nms_iou=0.3)
    offsets, scores = np.zeros((2, 4)), np.array([[0.0, 3.0], [0.0, 2.0]])
    both = np.array([[0, 0, 8, 8, 0.95], [0, 0, 8, 8 * 0.3, 0.9]], np.float32)
    apart = {0.3 * (1 + off): both if off > 0 else both[:1] for off in (0, -float_path.HAIR, float_path.HAIR)}

    def decoded(outputs: Outputs, rules: Any, as_device: bool) -> np.ndarray:
        return apart[rules.nms_iou]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(float_path, "decoded", decoded)
        assert float_path.differing(both, Outputs(offsets, scores), spec) == 0
        assert float_path.differing(both[:1], Outputs(offsets, scores), spec) == 0
        assert float_path.differing(both[:0], Outputs(offsets, scores), spec) == 1


def test_what_suppression_may_choose_otherwise_is_a_candidate() -> None:
    spec = dataclasses.replace(TINY, score_threshold=0.6, candidates=3, detections=2)
    found = float_path.candidates(outputs(), spec)
    kept = float_path.decoded(outputs(), dataclasses.replace(TINY, score_threshold=0.25))
    assert len(found) > len(kept) > 2 and float_path.without_twin(kept, found) == len(found) - len(kept)


def test_counts_apart_are_told_from_chance() -> None:
    box = np.zeros((1, 5), np.float32)
    assert float_path.count_distance(box.repeat(0, 0), box.repeat(15, 0)) > 3
    assert float_path.count_distance(box.repeat(2, 0), box.repeat(153, 0)) > 10
    assert float_path.count_distance(box.repeat(140, 0), box.repeat(150, 0)) < 1


def test_scores_apart_are_those_of_confident_boxes() -> None:
    one = np.array([[0, 0, 10, 10, 0.9], [50, 50, 60, 60, 0.2]], np.float32)
    other = np.array([[0, 0, 10, 10, 0.6], [50, 50, 60, 60, 0.4]], np.float32)
    assert float_path.score_distance(one, other) == pytest.approx(0.3)
    assert float_path.score_distance(one[1:], other[1:]) is None


def _image(**changes: Any) -> Callable[[], QuantisedGraph]:
    return lambda: dataclasses.replace(GRAPH, input=dataclasses.replace(GRAPH.input, **changes))


def _sources(**changes: Any) -> Callable[[], QuantisedGraph]:
    assert GRAPH.detector is not None
    return lambda: with_detector(sources=tuple(dataclasses.replace(s, **changes) for s in GRAPH.detector.sources))


def _gates(**changes: Any) -> QuantisedGraph:
    """The heads' gates with other numbers than the detector's."""
    layers = [
        dataclasses.replace(layer, gate=dataclasses.replace(layer.gate, **changes))
        if getattr(layer, "gate", None)
        else layer
        for layer in GRAPH.layers
    ]
    return dataclasses.replace(GRAPH, layers=tuple(layers))


WRONG: dict[str, Callable[[], QuantisedGraph]] = {
    "the variances": lambda: with_detector(variances=(0.1, 0.35)),
    "the IoU of non-maximum suppression": lambda: with_detector(nms_iou=0.9),
    "the score threshold": lambda: with_detector(threshold=GRAPH.detector.threshold + 1),  # type: ignore[union-attr]
    "the candidates": lambda: with_detector(candidates=399),
    "the detections": lambda: with_detector(detections=1),
    "the steps": _sources(step=16),
    "the priors' sizes": _sources(size=9),
    "the background scores": _sources(background=1),
    "the channels of offsets and scores": _sources(loc_channel=1),
    "the heads' gates": lambda: _gates(threshold=GRAPH.detector.threshold + 300),  # type: ignore[union-attr]
    "the image's zero": _image(zero=(118,)),
    "the image's scale": _image(scale=(1 / 63,)),
    "the image's size": _image(height=41),
}


@pytest.mark.parametrize("constant", WRONG)
def test_a_constant_that_is_not_the_specifications_is_refused_when_compiling(constant: str) -> None:
    check_graph(GRAPH, TINY)
    with pytest.raises(HilError, match=constant):
        check_graph(WRONG[constant](), TINY)


def test_a_classifiers_logits_keep_their_format() -> None:
    network = randomise(Classifier())
    graph = quantised(network)
    last: Any = graph.layers[-1]
    scaled = dataclasses.replace(last.output, scale=(2.0**-7,) * last.output.channels)
    changed = (*graph.layers[:-1], dataclasses.replace(last, output=scaled))
    with pytest.raises(HilError, match="the logits"):
        check_graph(dataclasses.replace(graph, layers=changed), network.spec)
