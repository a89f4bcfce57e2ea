"""report.html: what a run found, for people, in one file without anything from elsewhere."""

from __future__ import annotations

import base64
import io
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.bench.classify import Classification
from hil.bench.compare import Boxes
from hil.bench.limits import Measurement
from hil.bench.run import Run, Subject, class_of
from hil.board import Memory
from hil.files import write_text
from hil.reference.photo import to_image
from hil.report.pages import template

_MEMORY_TITLES = {"sram": "SRAM", "ccm": "CCM", "sdram": "SDRAM", "flash": "Flash"}


def write_report(subjects: Sequence[Subject], path: Path) -> None:
    """Write the report of one or several runs of the same model; the file is there as a whole or not at all."""
    write_text(path, render(subjects))


def render(subjects: Sequence[Subject]) -> str:
    """The report as HTML."""
    pages = [_page(subject) for subject in subjects]
    page = template("report.html.j2", number=_number, kilobytes=_kilobytes, millions=_millions)
    return page.render(pages=pages, first=pages[0])


def _page(subject: Subject) -> dict[str, Any]:
    """Everything the template shows of one run."""
    run = subject.run
    return {
        "run": run,
        "board": subject.board,
        "title": Path(run.image.path).name if run.image.path else f"image {run.image.sha256[:8]}",
        "photo": data_uri(subject.pixels),
        "logits": _logits(run.classification),
        "boxes": [_box(box, run) for box in run.detections],
        "reference_boxes": [_box(box, run) for box in run.reference_detections],
        "float_boxes": [_box(box, run) for box in run.float_detections],
        "best_score": max((float(box[4]) for box in run.detections), default=None),
        "milliseconds": run.cycles.milliseconds,
        "cycle_bars": cycle_bars(run),
        "memories": memories(subject),
        "measurements": [_measurement(m) for m in run.measurements],
        "layers": _layers(subject),
        "replay": replay_command(run),
    }


def data_uri(pixels: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    to_image(pixels).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _logits(found: Classification | None) -> list[dict[str, Any]]:
    """A row a class; none of a detector."""
    if found is None:
        return []
    logits = zip(found.classes, found.logits, found.reference_logits, found.float_logits, strict=True)
    return [{"name": name, "device": d, "reference": r, "float": f} for name, d, r, f in logits]


def _box(box: NDArray[np.float32], run: Run) -> dict[str, Any]:
    x0, y0, x1, y1, score = map(float, box[:5])
    return {
        "x": x0,
        "y": y0,
        "width": x1 - x0,
        "height": y1 - y0,
        "score": score,
        "is_strong": score >= run.operating_point,
        "label": class_of(box, run.classes),
    }


def cycle_bars(run: Run) -> list[dict[str, Any]]:
    """A bar a layer, then decoding and the schedule between the layers."""
    if run.cycles.total is None or run.cycles.layers is None:
        return []
    entries = list(run.cycles.layers.items())
    if run.cycles.decode is not None:
        entries.append(("decode", run.cycles.decode))
    entries.append(("schedule", run.cycles.schedule or 0))
    longest = max(cycles for _, cycles in entries) or 1
    return [
        {"name": name, "cycles": cycles, "percent": 100 * cycles / run.cycles.total, "width": 100 * cycles / longest}
        for name, cycles in entries
    ]


def memories(subject: Subject) -> list[dict[str, Any]]:
    """A stacked bar a memory of the chip: what is planned, what else is static, stack, free."""
    run, board = subject.run, subject.board
    static = run.ram.static_by_memory
    if static is None or run.firmware.flash_bytes is None:
        return []
    bars = []
    for memory in board.rams:
        arena = arena_bytes(subject.plan, memory.name)
        parts = [("line buffers", arena), ("other variables", max(0, static.get(memory.name, 0) - arena))]
        if memory.name == "sram":
            stack = run.ram.stack_used or 0
            parts += [
                ("stack", stack),
                ("stack in reserve", board.stack_bytes - stack),
                ("heap", run.ram.heap_used or 0),
            ]
        bars.append(_stack(memory, parts))
    weights = subject.plan["weights_bytes"]
    bars.append(_stack(board.flash, [("weights", weights), ("code and tables", run.firmware.flash_bytes - weights)]))
    return bars


def arena_bytes(plan: dict[str, Any], place: str) -> int:
    """Bytes of the planned arena in a memory: the end of the buffer that reaches furthest."""
    return max((b["offset"] + b["bytes"] for b in plan["buffers"] if b["place"] == place), default=0)


def _stack(memory: Memory, parts: list[tuple[str, int]]) -> dict[str, Any]:
    used = sum(size for _, size in parts)
    shown = [{"name": name, "bytes": size, "percent": 100 * size / memory.bytes} for name, size in parts if size > 0]
    return {
        "title": _MEMORY_TITLES[memory.name],
        "origin": f"{memory.origin:#010x}",
        "bytes": memory.bytes,
        "used": used,
        "percent": 100 * used / memory.bytes,
        "parts": shown,
        "free": memory.bytes - used,
    }


def _measurement(measurement: Measurement) -> dict[str, Any]:
    value, limit = measurement.value, measurement.limit
    share = 100 * value / limit if value is not None and limit else None
    return {"measurement": measurement, "share": share, "width": min(share, 100) if share is not None else None}


def _layers(subject: Subject) -> list[dict[str, Any]]:
    """A row a layer: what it is, what it costs, where its rows live."""
    cycles = subject.run.cycles.layers or {}
    rows = []
    for layer in subject.plan["layers"]:
        spent = cycles.get(layer["name"])
        rows.append(
            layer
            | {
                "cycles": spent,
                "predicted_cycles": layer["predicted_cycles"] if subject.run.cycles.unit == "cycles" else None,
                "cycles_per_mac": spent / layer["macs"] if spent is not None and layer["macs"] else None,
                "is_divergent": bool(subject.run.divergence and subject.run.divergence.layer == layer["name"]),
            }
        )
    return rows


def replay_command(run: Run) -> str | None:
    """The command that does this run again; None where the image was in no file."""
    if run.image.path is None:
        return None
    command = ["hil", "run", run.model, run.image.path, "--target", run.target, "--board", run.board]
    return shlex.join(command + (["--fit"] if run.image.fitted else []))


def _number(value: float | None) -> str:
    """A figure with thin spaces between thousands; a dash where it is unknown."""
    if value is None:
        return "–"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}".replace(",", "\u202f")
    return f"{int(value):,}".replace(",", "\u202f")


def _kilobytes(value: float | None) -> str:
    return "–" if value is None else f"{value / 1024:.1f} KB"


def _millions(value: float | None) -> str:
    return "–" if value is None else f"{value / 1e6:.1f} M"


def strongest(boxes: Boxes) -> float | None:
    """The best score, None without boxes."""
    return float(boxes[:, 4].max()) if len(boxes) else None
