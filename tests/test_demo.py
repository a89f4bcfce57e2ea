"""`hil demo` shows what the project promises: a face found on the simulated board, with the reference's own numbers."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli import hil
from compilers import needs
from fakes import boxes
from PIL import Image
from test_run_json import check_schema

from hil.bench.compare import iou

FACE = (170, 60, 280, 190)  # of skimage.data.astronaut(), 512x512
SCALE, LEFT = 240 / 512, (320 - 240) / 2  # how it is letterboxed

pytestmark = needs("stm32f407_disco")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a demo on the simulated board leaves."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "run.json").write_text('{"passed": true, "stale": true}')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        outcome = hil(_NoCapture(), patch, "demo", "--out", folder)
    assert outcome.code == 0, outcome.err
    return folder


class _NoCapture:
    """Stands in for capsys, which a fixture of a whole module cannot have."""

    def readouterr(self) -> Any:
        return type("Captured", (), {"out": "", "err": ""})


@pytest.fixture(scope="module")
def run(demo: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((demo / "run.json").read_text())
    return found


def test_it_passes_bit_exactly(run: dict[str, Any]) -> None:
    check_schema(run)
    assert run["passed"] and run["bit_exact"] and run["first_divergent_layer"] is None
    assert run["detections"] == run["reference_detections"]


def test_the_best_box_is_the_astronauts_face(run: dict[str, Any]) -> None:
    best = max(run["detections"], key=lambda box: box["score"])
    x0, y0, x1, y1 = (edge * SCALE for edge in FACE)
    face = boxes((x0 + LEFT, y0, x1 + LEFT, y1, 1))
    assert best["score"] > 0.8
    assert iou(boxes(tuple(best.values())), face)[0, 0] >= 0.5


def test_nothing_about_cycles_and_memory_is_unknown(run: dict[str, Any]) -> None:
    assert None not in [*run["cycles"].values(), *run["cycles"]["layers"].values(), *run["ram"].values()]
    assert run["cycles"]["total"] <= 130_000_000
    assert run["ram"]["total_bytes"] <= 100 * 1024


def test_image_and_report_are_there_and_show_it(demo: Path, run: dict[str, Any]) -> None:
    html, picture = (demo / "report.html").read_text(), demo / "image.png"
    assert "✓ passed" in html and f"{run['cycles']['total']:,}".replace(",", "\u202f") in html
    start = html.index("data:image/png;base64,") + len("data:image/png;base64,")
    (demo / "shown.png").write_bytes(base64.b64decode(html[start : html.index('"', start)]))
    assert np.array_equal(np.asarray(Image.open(demo / "shown.png")), np.asarray(Image.open(picture)))
    assert Image.open(picture).size == (320, 240)
