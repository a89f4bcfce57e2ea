"""Results made up for tests of what compares them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import fakes

from hil.bench.limits import Measurement
from hil.gate.results import with_origin

MEASURED = (
    Measurement("cycles.total", 71_000_000, "cycle", 300_000_000),
    Measurement("ram.total_bytes", 131_072, "byte", 163_840),
    Measurement("firmware.flash_bytes", 190_000, "byte"),
    Measurement("layers.differing", 0, "layer", 0),
    Measurement("outputs.score_error", 0.1, "logit", 0.5),
)


def run(test: str | None = "test_it", commit: str = "a" * 40, **changes: Any) -> dict[str, Any]:
    """run.json's object of a results folder."""
    made = fakes.run(measurements=MEASURED, digests={"conv0": "00000001", "rnnpool": "00000002"}, **changes)
    found = json.loads(json.dumps(made.to_json()))
    found["ram"]["buffers"] = {"rows": 60_000, "states": 40_000}
    found["firmware"] |= {"flash_by_section": {".text": 180_000}, "flash_by_function": {"conv_row": 900}}
    return with_origin(found, {"commit": commit, "branch": "main", "dirty": False, "host": "x"}, test)


def slower_and_larger() -> dict[str, Any]:
    """The same run with a slower kernel and a larger buffer."""
    found = copy.deepcopy(run(commit="b" * 40))
    found["cycles"]["layers"]["conv0"] += 3_000_000
    found["cycles"]["total"] += 3_000_000
    found["ram"]["buffers"]["rows"] += 2048
    measure(found, "cycles.total", 74_000_000)
    measure(found, "ram.total_bytes", 133_120)
    return found


def measure(found: dict[str, Any], name: str, value: float | None) -> None:
    """Change a measurement. None: it was not measured."""
    entry = next(m for m in found["measurements"] if m["name"] == name)
    entry |= {"value": value, "ok": None if value is None else entry["ok"]}


def evaluation(ap: float, ways: tuple[str, ...] = ("integer",), photos: int = 20, **facts: Any) -> dict[str, Any]:
    of_way = {"shares": {"ap.easy": ap, "ap.hard": ap / 2}, "photos": photos, "per_second": 3.0}
    said = {"schema": 1, "kind": "evaluation", "model": "rnnpool_face_m4", "board": "stm32f407_disco"}
    said |= {"data": "WIDER", "multi_scale": False} | facts
    return said | {"ways": {way: copy.deepcopy(of_way) for way in ways}}


def bench(**changes: Any) -> dict[str, Any]:
    """bench.json's object, with a goal that is met."""
    totals = {"total_cycles": 3_000_000, "total_instructions": 2_200_000, "portable_total_cycles": 6_000_000}
    layer = {"name": "conv0", "cycles": 2_600_000, "instructions": 2_000_000, "ram_bytes": 640, "flash_bytes": 300}
    goal = {"name": "cycles.total", "value": 3_000_000, "unit": "cycles", "must": 4_000_000, "aim": 1, "is_met": True}
    said = {"model": "net", "board": "stm32f407_disco", **totals, "ram_bytes": 100_000, "flash_bytes": 90_000}
    return said | {"layers": [layer], "goals": [goal]} | changes


def profile(conv: int, stalls: int) -> dict[str, Any]:
    """profile.json's object; conv_row takes conv cycles, stalls of which wait for addresses."""
    return {
        "model": "rnnpool_face_m4", "board": "stm32f407_disco", "build_id": "0", "mode": "fast", "cycles": 1000 + conv,
        "elapsed_cycles": 2000 + conv, "layers": {"conv0": conv}, "measured": {}, "lines": {}, "rules": {},
        "functions": {"conv_row": conv, "main": 1000}, "stalls": {"conv_row": {"address-stall": stalls}, "main": {}},
        "stacks": {"main": 1000, "main;conv_row": conv},
    }  # fmt: skip


def write(path: Path, found: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found))
    return path
