"""What two results say beside their figures: verdicts, the first layer that differs, boxes, classes, goals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hil.gate.documents import Document

Notes = tuple[str, ...]


def outcome_notes(base: Document, head: Document) -> tuple[Notes, Notes]:
    """Notes on the same thing at both commits, and those that must not be: it passed and fails now, or says less.

    A result that contradicts itself is at fault on either side.
    """
    one, other = base.content, head.content
    if head.kind == "bench":
        return (), tuple(_of_goals(one, other))
    if head.kind != "run":
        return (), ()
    faults = (*_contradictions(one, "base"), *_contradictions(other, "head"), *_failures(one, other))
    if one["image"]["sha256"] != other["image"]["sha256"]:
        return ("the image is another one: its outputs cannot be held against each other",), faults
    return tuple(_outputs(one, other)), faults


def _failures(base: Mapping[str, Any], head: Mapping[str, Any]) -> Iterator[str]:
    yield from _lost(base, head)
    if not base["passed"] or head["passed"]:
        return
    if not head["bit_exact"]:
        yield f"no longer bit-exact: {head['first_divergent_layer'] or 'the outputs'} differs from the reference"
    yield from (_said(m) for m in _over(head) if head["bit_exact"] or m["name"] != "layers.differing")


def _contradictions(run: Mapping[str, Any], where: str) -> Iterator[str]:
    """Its verdict follows from what it found: a file that says otherwise was changed, or cut."""
    failing = [] if run["bit_exact"] else ["it is not bit-exact"]
    failing += [_said(m) for m in _over(run)]
    if run["passed"] and failing:
        yield f"{where} says that it passed, though {failing[0]}"
    if not run["passed"] and not failing:
        yield f"{where} says that it failed, though it is bit-exact and all its measurements are within their limits"
    if run["bit_exact"] and run["detections"] != run.get("reference_detections", run["detections"]):
        yield f"{where} says that it is bit-exact, though its boxes are not the reference's"
    if unknown := [m["name"] for m in run["measurements"] if m["ok"] and m["value"] is None]:
        yield f"{where} says that {unknown[0]} is ok, though it was not measured"
    yield from _doubled((m["name"] for m in run["measurements"]), where)


def _doubled(names: Iterable[str], where: str) -> Iterator[str]:
    yield from (f"{where} has {name} {count} times" for name, count in Counter(names).items() if count > 1)


def _over(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The measurements that a run cannot pass with."""
    return [
        m
        for m in run["measurements"]
        if m["ok"] is False or (None not in (m["value"], m["limit"]) and m["value"] > m["limit"])
    ]


def _said(m: Mapping[str, Any]) -> str:
    limit = "" if m["limit"] is None else f", limit {m['limit']:g}"
    return f"{m['name']} is {m['value']} {m['unit']}{limit}"


def _lost(base: Mapping[str, Any], head: Mapping[str, Any]) -> Iterator[str]:
    """What a run said beside its figures, and says no longer."""
    if gone := [name for name in base.get("digests") or {} if name not in (head.get("digests") or {})]:
        yield f"{len(gone)} of {len(base['digests'])} digests are gone, the first is {gone[0]}'s"
    tensors = {tensor["name"] for tensor in head.get("tensors") or ()}
    if lost := [tensor["name"] for tensor in base.get("tensors") or () if tensor["name"] not in tensors]:
        yield f"{len(lost)} of {len(base['tensors'])} output tensors are gone, the first is {lost[0]}"
    one, other = ((run.get("classification") or {}).get("predicted") for run in (base, head))
    if one is not None and other is None:
        yield f"its class is gone, it was {one}"
    shown = sum(box["score"] >= base["operating_point"] for box in base["detections"])
    if shown and not head["detections"] and base["image"]["sha256"] == head["image"]["sha256"]:
        yield f"its boxes are gone, {shown} were shown"


def _of_goals(base: Mapping[str, Any], head: Mapping[str, Any]) -> Iterator[str]:
    """Goals of a benchmark that were met and are not, or are not there."""
    for bench, where in ((base, "base"), (head, "head")):
        yield from _doubled((goal["name"] for goal in bench["goals"]), where)
        yield from _doubled((f"layer {layer['name']}" for layer in bench["layers"]), where)
    goals = {goal["name"]: goal for goal in head["goals"]}
    for before in base["goals"]:
        after = goals.get(before["name"])
        if after is None:
            yield f"the goal {before['name']} is gone"
        elif _is_met(before) and not _is_met(after):
            yield f"the goal {before['name']} is missed: {after['value']} {after['unit']}, at most {after.get('must')}"


def _is_met(goal: Mapping[str, Any]) -> bool:
    value, must = goal["value"], goal.get("must")
    return goal.get("is_met") is True and value is not None and (must is None or value <= must)


def _outputs(base: Mapping[str, Any], head: Mapping[str, Any]) -> Iterator[str]:
    before, after = base.get("digests") or {}, head.get("digests") or {}
    differing = [name for name in after if name in before and before[name] != after[name]]
    if differing:
        yield f"{len(differing)} of {len(after)} tensors have other values, the first is {differing[0]}"
    if base["detections"] != head["detections"]:
        yield _boxes(base, head)
    one, other = (run.get("classification") or {} for run in (base, head))
    if one.get("predicted") != other.get("predicted"):
        yield f"the class was {one.get('predicted')}, it is {other.get('predicted')}"


def _boxes(base: Mapping[str, Any], head: Mapping[str, Any]) -> str:
    """How the boxes moved, those from the operating point on counted."""
    from hil.bench.compare import unmatched

    one, other = (_array(run["detections"]) for run in (base, head))
    shown = [sum(box["score"] >= run["operating_point"] for box in run["detections"]) for run in (base, head)]
    best = [max((box["score"] for box in run["detections"]), default=0.0) for run in (base, head)]
    lost, found = unmatched(one, other), unmatched(other, one)
    return (
        f"boxes shown {shown[0]} -> {shown[1]}, best score {best[0]:.3f} -> {best[1]:.3f}; "
        f"confident ones without a counterpart: {lost} before, {found} now"
    )


def _array(boxes: list[dict[str, float]]) -> Any:
    import numpy as np

    rows = [[box[key] for key in ("x0", "y0", "x1", "y1", "score")] for box in boxes]
    return np.array(rows, np.float32).reshape(-1, 5)
