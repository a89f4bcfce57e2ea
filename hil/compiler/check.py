"""A quantised graph against its network's specification: what firmware and integer reference would both get wrong.

And a plan against its graph: what the bench reads of a firmware.
"""

from __future__ import annotations

import math
from itertools import zip_longest
from typing import Any

from hil.compiler.planning.draft import aligned
from hil.compiler.quantised import graph as q
from hil.compiler.quantised.tensors import tensors
from hil.errors import HilError


def check_graph(graph: q.QuantisedGraph, spec: Any) -> None:
    """Raise HilError, naming the constant, unless the graph's rules are those of the network's specification.

    spec: of the network; plain tensors have no rules of their own.
    """
    channels, height, width = spec.input_shape
    image = graph.input
    wrong = _first_difference({
        "the image's size": ((image.height, image.width, image.channels), (height, width, channels)),
        "the image's zero": (image.zero, tuple(round(mean) for mean in spec.input_mean)),
        "the image's scale": (image.scale, tuple(map(float, spec.input_scale))),
        **({} if graph.outputs else _of_results(graph, spec)),
    })  # fmt: skip
    if wrong:
        raise HilError(f"{graph.model}: the compiled network is not the one that its specification describes: {wrong}")


def check_plan(plan: dict[str, Any], graph: q.QuantisedGraph) -> None:
    """Raise HilError, naming the field, unless a plan (plan.json) is of this graph and its buffers make its arena."""
    ends: dict[str, int] = {}
    for buffer in plan["buffers"]:
        ends[buffer["place"]] = max(ends.get(buffer["place"], 0), buffer["offset"] + buffer["bytes"])
    image, rules = graph.input, ("candidates", "detections", "nms_iou", "weighted_nms", "classes")
    size = ("width", "height", "channels")
    wrong = _first_difference({
        "the input": (_fields(plan["input"], *size), tuple(getattr(image, name) for name in size)),
        **_each("layer", [_layer_said(said) for said in plan["layers"]], [_layer_made(one) for one in graph.layers]),
        **_each("tensor", plan["tensors"], [vars(shown) for shown in tensors(graph)]),
        "the detector": (
            plan["detector"] and _fields(plan["detector"], *rules),
            graph.detector and tuple(getattr(graph.detector, name) for name in rules),
        ),
        "the outputs": (list(plan["outputs"]), list(graph.outputs)),
        "the layers without a prediction": ([one["name"] for one in plan["layers"] if one["predicted_cycles"] < 1], []),
        "the arena of all buffers": (sum(map(aligned, ends.values())), plan["arena_bytes"]),
    })  # fmt: skip
    if wrong:
        raise HilError(f"{graph.model}: the plan is not of the network that runs: {wrong}")


def _each(kind: str, said: list[Any], made: list[Any]) -> dict[str, tuple[object, object]]:
    return {f"{kind} {i}": pair for i, pair in enumerate(zip_longest(said, made))}


def _fields(of: dict[str, Any], *names: str) -> tuple[object, ...]:
    return tuple(of.get(name) for name in names)  # None: a plan that lacks it is of no network


def _layer_said(said: dict[str, Any]) -> tuple[object, ...]:
    return said["name"], *_fields(said["output"], "height", "width", "channels", "dtype"), said["macs"]


def _layer_made(layer: q.Layer) -> tuple[object, ...]:
    out = layer.output
    return layer.name, out.height, out.width, out.channels, out.dtype, layer.macs


def _of_results(graph: q.QuantisedGraph, spec: Any) -> dict[str, tuple[object, object]]:
    return _of_classes(graph, spec) if graph.detector is None else _of_boxes(graph, graph.detector, spec)


def _of_classes(graph: q.QuantisedGraph, spec: Any) -> dict[str, tuple[object, object]]:
    output = graph.layers[-1].output
    found = (output.channels, output.dtype, set(output.scale))
    classes = getattr(spec, "classes", None)
    return {"the logits": (found, (len(classes) if classes else output.channels, "int16", {2.0**-8}))}


def _of_boxes(graph: q.QuantisedGraph, detector: q.Detector, spec: Any) -> dict[str, tuple[object, object]]:
    outputs = {layer.name: layer.output for layer in graph.layers}
    gates = tuple(getattr(graph.layer(s.loc), "gate", None) for s in detector.sources)
    sources, likelihood = detector.sources, spec.score_threshold / (1 - spec.score_threshold)
    return {
        "the variances": (tuple(detector.variances), tuple(spec.variances)),
        "the IoU of non-maximum suppression": (detector.nms_iou, spec.nms_iou),
        "whether suppressed boxes count": (detector.weighted_nms, spec.weighted_nms),
        "the score threshold": (detector.threshold, math.floor(math.log(likelihood) * 256)),
        "the candidates": (detector.candidates, min(spec.candidates, spec.device_candidates)),
        "the detections": (detector.detections, min(spec.detections, spec.device_detections)),
        "the classes": (detector.classes, len(spec.classes)),
        "the steps": (tuple(s.step for s in sources), spec.steps),
        "the priors' sizes": (tuple(s.size for s in sources), spec.sizes),
        "the background scores": (tuple(s.background for s in sources), spec.background),
        "the maps of anchors": (
            tuple((outputs[s.loc].height, outputs[s.loc].width) for s in sources), spec.map_sizes,
        ),
        "the channels of offsets and scores": (
            tuple((s.loc_channel, s.conf_channel) for s in sources),
            tuple((0, 4 if s.loc == s.conf else 0) for s in sources),
        ),
        "the offsets' format": (
            {(outputs[s.loc].dtype, x) for s in sources for x in outputs[s.loc].scale[s.loc_channel :][:4]},
            {("int16", 2.0**-10)},
        ),
        "the heads' channels": (
            tuple(outputs[s.conf].channels - s.conf_channel for s in sources),
            tuple(background + len(spec.classes) for background in spec.background),
        ),
        "the heads' gates": (
            gates,
            tuple(
                gate and q.Gate(s.conf_channel, s.background, detector.threshold)
                for s, gate in zip(sources, gates, strict=True)
            ),
        ),
        "the scores' format": (
            {(outputs[s.conf].dtype, x) for s in sources for x in outputs[s.conf].scale[s.conf_channel :]},
            {("int16", 2.0**-8)},
        ),
    }  # fmt: skip


def _first_difference(compared: dict[str, tuple[object, object]]) -> str | None:
    return next((f"{what} is {a}, specified {b}" for what, (a, b) in compared.items() if a != b), None)
