"""What two runs of an image say beside their figures: verdicts, the first layer that differs, boxes, classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hil.gate.documents import Document

Notes = tuple[str, ...]


def outcome_notes(base: Document, head: Document) -> tuple[Notes, Notes]:
    """Notes on two runs of the same test, and those that must not be: it passed and fails now, or says less."""
    one, other = base.content, head.content
    faults = tuple(_failures(one, other))
    if one["image"]["sha256"] != other["image"]["sha256"]:
        return ("the image is another one: its outputs cannot be held against each other",), faults
    return tuple(_outputs(one, other)), faults


def _failures(base: Mapping[str, Any], head: Mapping[str, Any]) -> Iterator[str]:
    names = [{m["name"] for m in run["measurements"]} for run in (base, head)]
    if gone := sorted(names[0] - names[1]):
        yield f"{len(gone)} measurements are gone, the first is {gone[0]}"
    if base.get("digests") and not head.get("digests"):
        yield "the digests of its tensors are gone"
    if not base["passed"] or head["passed"]:
        return
    if not head["bit_exact"]:
        yield f"no longer bit-exact: {head['first_divergent_layer'] or 'the outputs'} differs from the reference"
    for m in head["measurements"]:
        if m["ok"] is False and m["name"] != "layers.differing":
            limit = "" if m["limit"] is None else f", limit {m['limit']:g}"
            yield f"{m['name']} is {m['value']} {m['unit']}{limit}"


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
