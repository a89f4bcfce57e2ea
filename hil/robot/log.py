"""What log.html shows of a run, as HTML that brings its own looks along and touches no other's."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from hil.bench.compare import Boxes
from hil.bench.limits import Measurement
from hil.bench.run import Run, Subject
from hil.report.run_html import cycle_bars, data_uri, memories, replay_command
from hil.report.terminal import figure
from hil.shown import shown

_WIDTH = 480  # of a photo, in pixels of the log
_STROKES = {"device": "#1e88ff", "reference": "#ffb02e", "float": "#ff5fa2"}
_COLOURS = {
    "line buffers": "#2a6fdb", "other variables": "#0d8a8a", "stack": "#c2570c", "stack in reserve": "#a9aeb6",
    "heap": "#7048c6", "weights": "#2a6fdb", "code and tables": "#0d8a8a",
}  # fmt: skip
_CELL = "padding:1px 10px 1px 0;text-align:"
_BAR = "display:inline-block;height:10px;vertical-align:middle;background:"


def escape(text: object) -> str:
    """Text as HTML; what does not print of it as an escape."""
    return html.escape(shown(text))


def whole(subject: Subject) -> str:
    """The verdict, the photo with its boxes, cycles a layer, memory, measurements, and how to run it again."""
    run = subject.run
    parts = [verdict(run), photo(subject), cycles(run), memory(subject), measurements(run.measurements)]
    command = replay_command(run)
    again = f"<div>again: <code>{escape(command)}</code></div>" if command else ""
    return "<div>" + "".join(parts) + again + "</div>"


def verdict(run: Run) -> str:
    """One line: what ran where, and what it came to."""
    colour, word = ("#1a7f4b", "passed") if run.passed else ("#c0322b", "failed")
    name = Path(run.image.path).name if run.image.path else run.image.sha256[:8]
    exact = "bit-exact with the integer reference" if run.bit_exact else f"not bit-exact: {run.divergence or 'boxes'}"
    return (
        f'<div><b style="color:{colour}">{word}</b> {escape(run.model)} on {escape(run.board)}, target '
        f"{escape(run.target)}, {escape(name)}: {escape(str(exact))}</div>"
    )


def photo(subject: Subject) -> str:
    """The image as sent, with the boxes of device, integer reference and float model."""
    run = subject.run
    width, height = run.image.width, run.image.height
    drawn = [
        *_rectangles(_shown(run.float_detections, run), "float", 'stroke-width="2" stroke-dasharray="2 4"'),
        *_rectangles(run.shown, "device", 'stroke-width="3.5"'),
        *_rectangles(_shown(run.reference_detections, run), "reference", 'stroke-width="1.6" stroke-dasharray="6 5"'),
        *(_score(box) for box in run.shown),
    ]
    keys = " ".join(f'<b style="color:{colour}">&#9644;</b> {name}' for name, colour in _STROKES.items())
    return (
        f'<svg class="hil-photo" viewBox="0 0 {width} {height}" width="{_WIDTH}" '
        f'style="display:block;background:#000;max-width:100%">'
        f'<image href="{data_uri(subject.pixels)}" width="{width}" height="{height}"/>{"".join(drawn)}</svg>'
        f"<div>{keys} (boxes that score {run.operating_point:g} and more)</div>"
    )


def _rectangles(boxes: Boxes, kind: str, stroke: str) -> list[str]:
    return [
        f'<rect x="{x0:.2f}" y="{y0:.2f}" width="{x1 - x0:.2f}" height="{y1 - y0:.2f}" fill="none" {stroke} '
        f'stroke="{_STROKES[kind]}" vector-effect="non-scaling-stroke"><title>{kind}, {score:.3f}</title></rect>'
        for x0, y0, x1, y1, score, *_ in boxes.tolist()
    ]


def _shown(boxes: Boxes, run: Run) -> Boxes:
    found: Boxes = boxes[boxes[:, 4] >= run.operating_point]
    return found


def _score(box: Boxes) -> str:
    x0, y0, _, _, score, *_ = box.tolist()
    return (
        f'<text x="{x0:.1f}" y="{max(y0 - 3, 8):.1f}" font-size="8" fill="#fff" stroke="#000" stroke-width="2" '
        f'paint-order="stroke" font-family="sans-serif">{score:.2f}</text>'
    )


def cycles(run: Run) -> str:
    """A row a layer with a bar; says so where the target cannot count."""
    bars = cycle_bars(run)
    if not bars:
        return f"<div>cycles: target {escape(run.target)} cannot count them</div>"
    rows = [
        (escape(bar["name"]), figure(bar["cycles"]), f"{bar['percent']:.1f} %",
         f'<i style="{_BAR}#2a6fdb;width:{2 * bar["width"]:.0f}px"></i>')
        for bar in bars
    ]  # fmt: skip
    milliseconds = run.cycles.milliseconds
    time = "" if milliseconds is None else f"{milliseconds:.0f} ms"
    rows.append(("<b>total</b>", f"<b>{figure(run.cycles.total)}</b>", f"<b>{time}</b>", ""))
    title = run.cycles.unit if run.cycles.unit == run.cycles.source else f"{run.cycles.unit} ({run.cycles.origin})"
    return _table("lrrl", ("layer", title, "share", ""), rows, "hil-cycles")


def memory(subject: Subject) -> str:
    """A bar a memory, in the colours of what is in it; says so where the target has the computer's memory."""
    found = []
    for bar in memories(subject):
        parts = "".join(
            f'<i style="{_BAR}{_COLOURS[part["name"]]};height:16px;width:{part["percent"]:.2f}%" '
            f'title="{part["name"]}: {part["bytes"]} bytes"></i>'
            for part in bar["parts"]
        )
        legend = ", ".join(
            f'<b style="color:{_COLOURS[part["name"]]}">&#9632;</b> {part["name"]} {figure(part["bytes"])}'
            for part in bar["parts"]
        )
        found.append(
            f'<div style="margin:4px 0"><b>{escape(bar["title"])}</b> {figure(bar["used"])} of {figure(bar["bytes"])} '
            f"bytes, {bar['percent']:.0f} %"
            f'<div style="background:#ddd;font-size:0;width:{_WIDTH}px">{parts}</div>{legend}</div>'
        )
    if not found:
        return f"<div>memory: target {escape(subject.run.target)} has the computer's, not the board's</div>"
    return f'<div class="hil-memory">{"".join(found)}</div>'


def _word(verdict: str, colour: str) -> str:
    return f'<b style="color:{colour}">{verdict}</b>' if verdict else ""


def measurements(found: Sequence[Measurement]) -> str:
    """A row a number, with its limit."""
    colours = {True: "#1a7f4b", False: "#c0322b", None: "#777"}
    rows = [
        (escape(m.name), figure(m.value), escape(m.unit), figure(m.limit), _word(m.verdict or "", colours[m.ok]))
        for m in found
    ]
    return _table("lrlrl", ("measurement", "value", "unit", "limit", ""), rows, "hil-measurements")


def table(facts: Sequence[tuple[str, object]]) -> str:
    """Names and values."""
    return _table("ll", (), [(escape(name), escape(str(value))) for name, value in facts], "hil-facts")


def _table(aligns: str, head: Sequence[str], rows: Sequence[Sequence[str]], name: str) -> str:
    """aligns: "l" or "r" a column; head is text, cells are HTML."""
    styles = [_CELL + {"l": "left", "r": "right"}[align] for align in aligns]
    titles = "".join(f'<th style="{style}">{escape(text)}</th>' for text, style in zip(head, styles, strict=False))
    lines = "".join(
        "<tr>" + "".join(f'<td style="{style}">{cell}</td>' for cell, style in zip(row, styles, strict=True)) + "</tr>"
        for row in rows
    )
    style = "border-collapse:collapse;font-size:12px;margin:8px 0"
    return f'<table class="{name}" style="{style}"><tr>{titles}</tr>{lines}</table>'
