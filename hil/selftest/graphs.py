"""Mutants of the quantised graph: device and integer reference agree on what is wrong; the float path must tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from hil.bench.layer_path import LEAST_PIXELS
from hil.compiler import compile_network
from hil.compiler.check import check_graph
from hil.compiler.emit import model_source
from hil.compiler.kernels.weights import weights_source
from hil.compiler.planning.plan import Plan
from hil.compiler.quantised import graph as q
from hil.errors import HilError
from hil.selftest.mutant import Mutant, Operator, Outcome
from hil.selftest.subjects import Subject
from hil.selftest.trial import Bait

FLOAT = (
    "layers.distance_to_float", "layers.cut_off", "decoder.differing", "outputs.offset_error", "outputs.score_error",
    "boxes.count_distance_to_float", "boxes.unmatched_with_float", "boxes.score_distance_to_float",
    "boxes.distance_to_float",
    "logits.distance_to_float", "class.differs_from_float",
)  # fmt: skip
CHECK = "when compiling"  # a killer: hil.compiler.check

Change = Callable[[q.QuantisedGraph], q.QuantisedGraph | None]


def _detector(**changes: Callable[[Any], Any]) -> Change:
    def change(graph: q.QuantisedGraph) -> q.QuantisedGraph | None:
        detector = graph.detector
        assert detector is not None
        return replace(graph, detector=replace(detector, **{k: f(getattr(detector, k)) for k, f in changes.items()}))

    return change


def _source(**changes: Callable[[Any], Any]) -> Change:
    def change(graph: q.QuantisedGraph) -> q.QuantisedGraph | None:
        detector = graph.detector
        assert detector is not None
        sources = tuple(
            replace(s, **{k: f(getattr(s, k)) for k, f in changes.items() if k != "loc_channel" or s.loc == s.conf})
            for s in detector.sources  # of a map of offsets alone there is no next channel
        )
        return replace(graph, detector=replace(detector, sources=sources))

    return change


def _first_gone(weight: np.ndarray) -> np.ndarray:
    """The weights of the first output channel as nothing."""
    return np.concatenate([0 * weight[:1], weight[1:]])


DETECTOR: tuple[tuple[str, str, Change], ...] = (
    ("shared-centre-variance", "the centre's variance", _detector(variances=lambda v: (2 * v[0], v[1]))),
    ("shared-size-variance", "the sizes' variance", _detector(variances=lambda v: (v[0], 1.75 * v[1]))),
    ("shared-variances", "variances 0.1 and 0.1", _detector(variances=lambda v: (0.1, 0.1))),
    ("shared-variances-swapped", "the variances in each other's place", _detector(variances=lambda v: v[::-1])),
    ("shared-suppression-near", "suppression at a third more", _detector(nms_iou=lambda v: v * 4 / 3)),
    ("shared-threshold-near", "a score threshold an eighth of a logit higher", _detector(threshold=lambda v: v + 32)),
    ("shared-suppression", "suppression at 0.9", _detector(nms_iou=lambda v: 0.9)),
    ("shared-suppression-low", "suppression at 0.05", _detector(nms_iou=lambda v: 0.05)),
    ("shared-weighted", "suppression without weights", _detector(weighted_nms=lambda v: not v)),
    ("shared-threshold", "a higher score threshold", _detector(threshold=lambda v: v + 300)),
    ("shared-threshold-low", "a lower score threshold", _detector(threshold=lambda v: v - 300)),
    ("shared-candidates", "fewer candidates", _detector(candidates=lambda v: 5)),
    ("shared-detections", "fewer boxes", _detector(detections=lambda v: 3)),
    ("shared-steps", "priors at another distance", _source(step=lambda v: v + 1)),
    ("shared-sizes", "priors of another size", _source(size=lambda v: v * 5 // 4)),
    ("shared-offsets", "offsets read from the next channel", _source(loc_channel=lambda v: v + 1)),
    ("shared-scores", "scores read from the channel before", _source(conf_channel=lambda v: max(0, v - 1))),
    ("shared-background", "fewer background scores", _source(background=lambda v: max(1, v - 1), conf_channel=int)),
)


def operators() -> tuple[Operator, ...]:
    """All that change the graph, and so both sides."""
    found = [
        Operator(name, f"{breaks}, on both sides", (*FLOAT, CHECK, "HilError"), partial(_detector_sites, name, change),
                 ("detector", "native"), 1)
        for name, breaks, change in DETECTOR
    ]  # fmt: skip
    arrays = (
        ("shared-weights", "a layer's weights halved", "weight", lambda v: v // 2),
        ("shared-bias", "a layer's biases left out", "bias", lambda v: v * 0),
        ("shared-weight", "a layer's first weights left out", "weight", _first_gone),
        ("shared-channels", "a layer's channels in another order", "weight", lambda v: np.roll(v, 1, 0)),
        ("shared-multiplier", "a layer's multipliers by half as much again", "multiplier", lambda v: v // 2 * 3),
    )
    for name, breaks, field, function in arrays:
        sites = partial(_layer_sites, name, field, function)
        found.append(Operator(name, f"{breaks}, on both sides", FLOAT, sites, ("native",), 2))
    cells = (
        ("shared-gates", "the gates' table upside down", "gates", lambda v: v[::-1].copy()),
        ("shared-tanh", "the tanh table by half", "tanh", lambda v: v // 2),
        ("shared-tied", "a tied cell's candidates by half", "gates", lambda v: v // (1, 2)),
        ("shared-inputs", "a cell's inputs in another order", "w", lambda v: np.roll(v, 1, 0)),
        ("shared-recurrence", "recurrent weights of the other sign", "u", lambda v: -v),
    )
    for name, breaks, field, function in cells:
        sites = partial(_cell_sites, name, field, function)
        found.append(Operator(name, f"{breaks}, on both sides", FLOAT, sites, ("native",), 1))
    found.append(
        Operator("shared-range", "a sixth of a layer's range, on both sides", FLOAT, _range_sites, ("native",), 2)
    )
    return tuple(found)


def _range_sites(subject: Subject) -> Iterator[Mutant]:
    """Of layers that no residual adds up: its parts are in the order of their ranges, which the plan knows."""
    added = {part.name for layer in subject.graph.layers if isinstance(layer, q.QAdd) for part in layer.inputs}
    for layer in subject.graph.layers:
        pixels = layer.output.height * layer.output.width
        is_looked_at = layer.output.dtype != "int16" and pixels >= LEAST_PIXELS
        if isinstance(layer, q.QConv) and is_looked_at and layer.output.name not in added:
            ranges = subject.ranges | {layer.name: subject.ranges[layer.name] / 6}
            diff = f"- {layer.name}: {subject.ranges[layer.name]}\n+ {layer.name}: {ranges[layer.name]}"
            yield Mutant("shared-range", subject.name, layer.name, diff, partial(_attempt_ranges, ranges))


def _attempt_ranges(ranges: dict[str, float], bait: Bait) -> Outcome:
    return _attempt(compile_network(bait.workshop.subject.network, ranges), False, bait)


def _detector_sites(operator: str, change: Change, subject: Subject) -> Iterator[Mutant]:
    graph = change(subject.graph)
    if graph is not None and graph != subject.graph:
        diff = f"- {subject.graph.detector}\n+ {graph.detector}"
        for is_checked in (True, False):
            site = CHECK if is_checked else "when running"
            yield Mutant(operator, subject.name, site, diff, partial(_attempt, graph, is_checked))


def _layer_sites(operator: str, field: str, function: Callable[[Any], Any], subject: Subject) -> Iterator[Mutant]:
    for layer in subject.graph.layers:
        if isinstance(layer, q.QConv):
            values = getattr(layer, field)
            changed = _changed(values, function)
            if not np.array_equal(changed, values):
                yield _replaced(operator, subject, layer, {field: changed})


def _cell_sites(operator: str, field: str, function: Callable[[Any], Any], subject: Subject) -> Iterator[Mutant]:
    for layer in subject.graph.layers:
        if isinstance(layer, q.QPool):
            cells = {
                name: _with(cell, {field: _changed(getattr(cell, field), function)})
                for name, cell in (("cell1", layer.cell1), ("cell2", layer.cell2))
                if isinstance(cell, q.QCell) and _has(cell, operator, field)
            }
            if cells:
                yield _replaced(operator, subject, layer, cells)


def _has(cell: q.QCell, operator: str, field: str) -> bool:
    """Whether there is something to change: a tied cell has one table for both."""
    return getattr(cell, field).size > 0 and (operator != "shared-tied" or cell.is_tied)


def _with(cell: q.QCell, changes: dict[str, Any]) -> q.QCell:
    return replace(cell, **changes)


def _changed(values: np.ndarray, function: Callable[[Any], Any]) -> np.ndarray:
    wide = np.asarray(function(values.astype(np.int64)))
    info = np.iinfo(values.dtype)
    return np.clip(wide, info.min, info.max).astype(values.dtype)


def _replaced(operator: str, subject: Subject, layer: q.Layer, changes: dict[str, Any]) -> Mutant:
    graph = replace(
        subject.graph,
        layers=tuple(replace(l, **changes) if l is layer else l for l in subject.graph.layers),  # noqa: E741
    )
    diff = f"{layer.name}: {', '.join(changes)} changed in the graph"
    return Mutant(operator, subject.name, layer.name, diff, partial(_attempt, graph, False))


def _attempt(graph: q.QuantisedGraph, is_checked: bool, bait: Bait) -> Outcome:
    """Both sides of the changed graph; the plan is the sound one's, whose shapes it shares."""
    if is_checked:
        try:
            check_graph(graph, bait.workshop.subject.network.spec)
        except HilError as error:
            return Outcome((CHECK,), str(error))
        return Outcome(())
    plan: Plan = bait.workshop.plan
    texts = {"model/model.c": model_source(graph, plan), "model/weights.c": weights_source(graph)}
    config = bait.workshop.text("model/model_config.h")
    if graph.detector is not None:
        made = graph.detector
        for name, value in (("CANDIDATES", made.candidates), ("MAX_DETECTIONS", made.detections),
                            ("WEIGHTED_NMS", int(made.weighted_nms))):  # fmt: skip
            start = config.index(f"MODEL_{name} ") + len(f"MODEL_{name} ")
            config = config[:start] + str(value) + config[config.index("\n", start) :]
    firmware = bait.workshop.changed(texts | {"model/model_config.h": config})
    names = () if graph.detector is None else ("detections", "weighted_nms")
    rules = {name: getattr(graph.detector, name) for name in names}
    said = firmware.plan | {"detector": firmware.plan["detector"] and firmware.plan["detector"] | rules}
    return bait.run(replace(firmware, graph=graph, plan=said))
