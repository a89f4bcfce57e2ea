"""Runs made up for tests of what comes after a run: reports, tables, run.json."""

from __future__ import annotations

from typing import Any

import numpy as np

from hil import board
from hil.bench.limits import Measurement
from hil.bench.run import Cycles, FirmwareFacts, ImageFacts, LinkCounts, Ram, Run, Subject

LAYERS = {"conv0": 9_100_000, "rnnpool": 41_000_000, "mob0.project": 17_500_000, "loc0": 2_300_000}
MEASUREMENTS = (
    Measurement("cycles.total", 71_000_000, "cycle", 300_000_000),
    Measurement("ram.total_bytes", 131_072, "byte", 163_840),
    Measurement("ram.heap_used", 0, "byte"),
)


def boxes(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 5)


def run(**changes: Any) -> Run:
    """A run that passed, with some of its fields changed."""
    face = boxes((100.5, 40.25, 150, 95, 0.93), (20, 30, 28, 39, 0.12))
    fields: dict[str, Any] = {
        "target": "sim",
        "board": "stm32f407_disco",
        "model": "rnnpool_face_m4",
        "firmware": FirmwareFacts("0123456789abcdef", 190_000),
        "image": ImageFacts("photos/a b.png", "ab" * 32, 320, 240),
        "detections": face,
        "reference_detections": face,
        "float_detections": face + np.float32([0.5, 0.5, 0.5, 0.5, 0]),
        "bit_exact": True,
        "divergence": None,
        "cycles": Cycles("timing-model", 168_000_000, 71_000_000, dict(LAYERS), 900_000),
        "ram": Ram(129_000, 100_000, 99_000, 1_200, 2_048, 0, 130_200, {"sram": 80_000, "ccm": 49_000}),
        "link": LinkCounts(5_000, 80_000, 0),
        "measurements": MEASUREMENTS,
    }
    return Run(**fields | changes)


def plan() -> dict[str, Any]:
    """plan.json, as small as it can be."""
    output = {"height": 120, "width": 160, "channels": 4, "dtype": "uint8", "scale": 0.1}
    buffer = {"name": "rows", "rows": 3, "bytes": 1920, "place": "sram"}
    return {
        "layers": [
            {
                "name": n,
                "op": "conv",
                "output": output,
                "macs": 691_200,
                "kernel": "fast",
                "predicted_cycles": 2_650_000,
                "buffer": buffer,
            }
            for n in LAYERS
        ],
        "buffers": [
            {"name": "rows", "bytes": 60_000, "place": "sram", "offset": 0, "first": 0, "last": 3},
            {"name": "states", "bytes": 40_000, "place": "ccm", "offset": 0, "first": 0, "last": 3},
        ],
        "arena_bytes": 100_000,
        "weights_bytes": 61_000,
    }


def subject(**changes: Any) -> Subject:
    """A run with a grey ramp as its photo."""
    pixels = np.tile(np.arange(320) * 255 // 319, (240, 1)).astype(np.uint8)[:, :, None]
    return Subject(run(**changes), pixels, plan(), board.load("stm32f407_disco"))
