"""A picture of a trace (`hil trace`'s trace.json): every track below the other, against time.

`python docs/tracks.py trace.json picture.png FROM`: from FROM milliseconds to the end. Perfetto shows the same file.
"""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402

WIDTH, ROW, RAM_ROWS, DPI = 14.0, 0.21, 5, 100  # inches, inches a row of spans, rows as high as the RAM, pixels an inch
COLOURS = matplotlib.colormaps["Pastel1"].colors  # type: ignore[attr-defined]
MS_A_LETTER = 0.0045  # of the time shown: the width of a letter of a span's name
ROUNDED = 0.01  # microseconds: times in the file have three digits behind the point

Event = dict[str, Any]


def draw(events: list[Event], picture: Path, begin: float) -> None:
    """Write the picture of Chrome's trace events as a PNG; times in milliseconds, those before `begin` left out."""
    tracks = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    outer_first = sorted((e for e in events if e["ph"] == "X"), key=lambda e: (e["ts"], -e["dur"]))
    spans = {
        name: [e for e in outer_first if e["tid"] == tid and e["ts"] + e["dur"] > begin * 1000]
        for tid, name in tracks.items()
    }
    levels = [e for e in events if e["ph"] == "C"]
    rows = {name: nested(found) for name, found in spans.items()}
    heights = [1 + max(found, default=0) for found in rows.values()] + [RAM_ROWS]
    until = max(e["ts"] + e.get("dur", 0) for e in events if "ts" in e) / 1000
    figure, places = pyplot.subplots(
        len(heights),
        1,
        sharex=True,
        height_ratios=heights,
        figsize=(WIDTH, ROW * sum(heights) + 0.12 * len(heights) + 0.5),
    )
    for place, (name, found) in zip(places, spans.items(), strict=False):
        track(place, name, found, rows[name], MS_A_LETTER * (until - begin))
    ram(places[-1], levels)
    places[-1].set(xlim=(begin, until), xlabel="ms")
    figure.subplots_adjust(left=0.115, right=0.995, top=0.995, bottom=0.09, hspace=0.12)
    figure.savefig(picture, dpi=DPI)


def nested(spans: list[Event]) -> list[int]:
    """How many of a track's spans lie around each, in their order: outer ones come first."""
    depths, ends = [], []
    for span in spans:
        ends = [end for end in ends if end > span["ts"] + ROUNDED]
        depths.append(len(ends))
        ends.append(span["ts"] + span["dur"])
    return depths


def track(place: Axes, name: str, spans: list[Event], rows: list[int], letter: float) -> None:
    """One track: a bar a span, an inner one under the one around it, with its name if it fits; letter: its width."""
    for span, row in zip(spans, rows, strict=True):
        begin, length = span["ts"] / 1000, span["dur"] / 1000
        colour = COLOURS[zlib.crc32(span["name"].encode()) % len(COLOURS)]
        place.barh(-row, length, left=begin, height=0.9, color=colour, edgecolor="#555", linewidth=0.2)
        if length > letter * len(span["name"]):
            place.text(begin + length / 2, -row, span["name"], ha="center", va="center", fontsize=7, clip_on=True)
    place.set_ylim(-max(rows, default=0) - 0.6, 0.6)
    place.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    place.set_yticks([])


def ram(place: Axes, levels: list[Event]) -> None:
    """RAM in use, in KB, a step line a memory."""
    for name in dict.fromkeys(event["name"] for event in levels):
        found = [event for event in levels if event["name"] == name]
        times, used = [e["ts"] / 1000 for e in found], [e["args"]["bytes"] / 1024 for e in found]
        place.step(times, used, where="post", label=name.removeprefix("RAM in use, "))
    place.set_ylim(bottom=0)
    place.set_ylabel("RAM in use, KB", rotation=0, ha="right", va="center", fontsize=9)
    place.legend(loc="lower left", fontsize=8)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text())["traceEvents"], Path(sys.argv[2]), float(sys.argv[3]))
