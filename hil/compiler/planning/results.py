"""How long an image's boxes are kept: they are sent while the next image arrives."""

from __future__ import annotations

from hil.compiler.planning.plan import Buffer, Plan
from hil.compiler.planning.schedule import Replay
from hil.compiler.quantised import graph as q

DETECTIONS = "detections"


def rows_that_spare_results(graph: q.QuantisedGraph, plan: Plan) -> int:
    """Rows of the next image that write over none of the boxes; 0 for a network that has none."""
    boxes = plan.buffer(DETECTIONS)
    if boxes is None:
        return 0
    end = min((b.first for b in plan.buffers if b.first < boxes.first and _share(b, boxes)), default=boxes.first)
    begins = Replay(graph.input, plan.nodes).made[graph.input.name]
    # A row's moment is that of its copying; its layers' steps follow until the next one's.
    return sum(next_begin <= end for next_begin in [*begins[1:], boxes.first])


def _share(one: Buffer, other: Buffer) -> bool:
    is_apart = one.offset + one.bytes <= other.offset or other.offset + other.bytes <= one.offset
    return one.place == other.place and not is_apart
