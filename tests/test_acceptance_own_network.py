"""From an empty folder to a bit-exact run: described, trained, quantised, planned, built, run; in pytest, in Robot."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from stub_firmware import need

import hil

TEST = """
from pathlib import Path
from hil.reference.photo import load_photo

def test_my_network(hil_bench):
    photo = load_photo(Path("mine/photos/circle00.png"), hil_bench.firmware.network.spec)
    run = hil_bench.run(photo)
    assert run.bit_exact, run.divergence
    assert run.classification.predicted in ("circle", "square", "triangle")
"""
SUITE = """
*** Settings ***
Library           hil.robot.HilLibrary    target=native    model=mine/ready.safetensors
Suite Setup       Boot Board
Suite Teardown    Switch Board Off

*** Test Cases ***
My Network Is Computed As It Should Be
    Stream Image    mine/photos/triangle01.png
    Detections Should Match Reference
"""


def _run(folder: Path, *command: str) -> str:
    """A command in a folder of its own, as somebody would type it; its output."""
    package = str(Path(hil.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": package, "COLUMNS": "200"}
    environment.pop("HIL_NETWORK", None)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def test_a_network_of_ones_own_from_an_empty_folder(tmp_path: Path) -> None:
    need("cmake", "cc", "arm-none-eabi-gcc")
    python = sys.executable
    command = (python, "-c", "from hil.cli import main; main()")
    _run(tmp_path, *command, "new-network", "mine")
    assert "new pictures right" in _run(tmp_path, python, "mine/train.py", "--minutes", "0.05")
    ready = "mine/ready.safetensors"
    _run(tmp_path, *command, "quantise", "mine/shapes.safetensors", "--images", "mine/photos", "--out", ready)
    plan = _run(tmp_path, *command, "plan", ready)
    assert "pool" in plan and "average" in plan
    _run(tmp_path, *command, "build", ready)
    for target in ("native", "sim"):
        file = f"{target}.json"
        _run(tmp_path, *command, "run", ready, "mine/photos/circle00.png", "-t", target, "--json", file)
        run = json.loads((tmp_path / file).read_text())
        assert (
            run["bit_exact"] and run["passed"] and run["classification"]["classes"] == ["circle", "square", "triangle"]
        )
    (tmp_path / "test_mine.py").write_text(TEST)
    tested = _run(
        tmp_path, python, "-m", "pytest", "-q", "test_mine.py", "--hil-model", ready, "--hil-target", "native"
    )
    assert "1 passed" in tested
    if shutil.which("robot") or _has_robot():
        (tmp_path / "mine.robot").write_text(SUITE)
        assert "1 test, 1 passed" in _run(tmp_path, python, "-m", "robot", "mine.robot")


def _has_robot() -> bool:
    try:
        import robot  # noqa: F401
    except ImportError:
        return False
    return True
