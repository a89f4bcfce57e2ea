"""A timeline as files for its viewers: Chrome's trace events, which ui.perfetto.dev opens, and speedscope's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hil.measure.timeline import FUNCTIONS, Span, Timeline

_PROCESS = 1


def perfetto(timeline: Timeline) -> str:
    """As trace events in a JSON object: a thread a track, a counter a memory, times in microseconds."""
    tracks = list(dict.fromkeys(span.track for span in timeline.spans))
    events = [*_names(timeline, tracks)]
    for span in timeline.spans:
        begin, end = _microseconds(timeline, span.begin), _microseconds(timeline, span.end)
        events.append({
            "ph": "X", "pid": _PROCESS, "tid": tracks.index(span.track) + 1, "name": span.name, "cat": span.track,
            "ts": begin, "dur": round(end - begin, 3), "args": {"cycle": span.begin, "cycles": span.end - span.begin},
        })  # fmt: skip
    for level in timeline.levels:
        at = _microseconds(timeline, level.cycle)
        name = f"RAM in use, {level.place}"
        events.append({"ph": "C", "pid": _PROCESS, "name": name, "ts": at, "args": {"bytes": level.used}})
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ns"}, separators=(",", ":")) + "\n"


def _names(timeline: Timeline, tracks: list[str]) -> Iterator[dict[str, Any]]:
    """Events that say what things are called, and in which order they stand."""
    process = {"ph": "M", "pid": _PROCESS, "name": "process_name"}
    yield process | {"args": {"name": timeline.title}}
    for number, track in enumerate(tracks, 1):
        thread = {"ph": "M", "pid": _PROCESS, "tid": number}
        yield thread | {"name": "thread_name", "args": {"name": track}}
        yield thread | {"name": "thread_sort_index", "args": {"sort_index": number}}


def speedscope(timeline: Timeline) -> str:
    """As speedscope's own JSON: the calls, opened and closed in their order."""
    calls = timeline.track(FUNCTIONS)
    names = list(dict.fromkeys(span.name for span in calls))
    numbers = {name: number for number, name in enumerate(names)}
    events = [
        {"type": kind, "frame": numbers[span.name], "at": _microseconds(timeline, at)}
        for kind, span, at in _opened_and_closed(calls)
    ]
    profile = {
        "type": "evented", "name": timeline.title, "unit": "microseconds", "startValue": 0,
        "endValue": _microseconds(timeline, timeline.cycles), "events": events,
    }  # fmt: skip
    schema = "https://www.speedscope.app/file-format-schema.json"
    frames = {"frames": [{"name": name} for name in names]}
    return json.dumps({"$schema": schema, "shared": frames, "profiles": [profile]}, separators=(",", ":")) + "\n"


def _opened_and_closed(calls: list[Span]) -> Iterator[tuple[str, Span, int]]:
    """calls: outer ones before what they call."""
    open_: list[Span] = []
    for span in calls:
        while open_ and open_[-1].end <= span.begin:
            yield "C", open_[-1], open_.pop().end
        yield "O", span, span.begin
        open_.append(span)
    while open_:
        yield "C", open_[-1], open_.pop().end


def _microseconds(timeline: Timeline, cycle: int) -> float:
    return round(cycle * 1e6 / timeline.clock_hz, 3)
