"""The command line at work, on the host's own build (quick, and needs no cross compiler)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli import hil
from compilers import needs, nothing_installed
from PIL import Image
from skimage import data
from test_run_json import check_schema

from hil.commands import bench
from hil.evaluation.official import GroundTruth, load_ground_truth
from hil.measure import networks

M4 = "rnnpool_face_m4"
COMMANDS = ("demo", "build", "run", "plan", "quantise", "train", "evaluate", "doctor")

needs_compiler = needs("native")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """A portrait that fits and a photo that does not."""
    paths = [tmp_path / "portrait.png", tmp_path / "coffee.jpg"]
    Image.fromarray(data.astronaut()).convert("L").resize((320, 240)).save(paths[0])
    Image.fromarray(data.coffee()).save(paths[1])
    return paths


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_a_command_does(capsys, monkeypatch, command: str) -> None:
    outcome = hil(capsys, monkeypatch, command, "--help")
    assert outcome.code == 0 and f"Usage: hil {command}" in outcome.out and outcome.out.count("\n") > 5


def test_help_does_not_wait_for_torch() -> None:
    code = "import sys, hil.cli; sys.exit(bool({'torch', 'unicorn', 'numba', 'skimage'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_bench_measures_the_network_that_it_is_told(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    seeded = []
    monkeypatch.setattr(networks, "seed_network", lambda name, *rest: seeded.append(name))
    assert bench.measured(None, None) == M4 and bench.measured("mine.pt", M4) == "mine.pt"
    assert bench.measured(None, "rnnpool_face_quant") == "rnnpool_face_quant" and not seeded
    assert bench.measured(None, "vww_mobilenet_rnnpool").endswith("vww_mobilenet_rnnpool.safetensors")
    assert seeded == ["vww_mobilenet_rnnpool"]


@needs_compiler
def test_one_image_makes_an_object_and_several_a_list(capsys, monkeypatch, photos, tmp_path: Path) -> None:
    one, two, report = tmp_path / "new" / "one.json", tmp_path / "two.json", tmp_path / "r.html"
    first = hil(capsys, monkeypatch, "run", M4, photos[0], "-t", "native", "--json", one)
    assert first.code == 0 and "bit-exact" in first.out and "ram.arena_used" in first.out
    both = hil(capsys, monkeypatch, "run", M4, *photos, "-t", "native", "--fit", "--json", two, "--report", report)
    assert both.code == 0 and "portrait.png" in both.out and "coffee.jpg" in both.out
    check_schema(json.loads(one.read_text()))
    runs = json.loads(two.read_text())
    assert [Path(run["image"]["path"]).name for run in runs] == ["portrait.png", "coffee.jpg"]
    assert all(run["passed"] and run["image"]["fitted"] for run in runs)
    assert "2 images" in report.read_text()


@needs_compiler
def test_a_limit_that_is_not_kept_fails_the_run_and_is_written_down(capsys, monkeypatch, photos, tmp_path) -> None:
    limits, path = tmp_path / "limits.toml", tmp_path / "run.json"
    limits.write_text(f'[{M4}]\n"ram.arena_used" = 1000\n')
    arguments = ("run", M4, photos[0], "-t", "native", "--limits", limits, "--json", path)
    outcome = hil(capsys, monkeypatch, *arguments)
    assert outcome.code == 1 and "FAILED" in outcome.out
    run = json.loads(path.read_text())
    assert run["bit_exact"] and not run["passed"]
    assert [m["name"] for m in run["measurements"] if m["ok"] is False] == ["ram.arena_used"]


@needs_compiler
def test_what_is_built_already_is_not_built_again(capsys, monkeypatch, tmp_path: Path) -> None:
    arguments = ("build", M4, "--native", "--out", tmp_path / "generated")
    assert hil(capsys, monkeypatch, *arguments).code == 0
    (elf,) = (tmp_path / "generated" / "out").glob("native*/firmware")  # native-zig, where zig is the compiler
    before = elf.stat().st_mtime_ns
    monkeypatch.setattr("hil.firmware.build.compile_preset", lambda *_: pytest.fail("it was built again"))
    assert hil(capsys, monkeypatch, *arguments).code == 0
    assert elf.stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_plan_shows_layers_buffers_and_memories(capsys, monkeypatch) -> None:
    outcome = hil(capsys, monkeypatch, "plan", M4)
    assert outcome.code == 0
    for text in ("conv0", "rnnpool", "120x160x4 uint8", "rnnpool_rows", "ccm", "131 072", "67 072 768"):
        assert text in outcome.out, text


def test_an_evaluation_of_integers_and_of_native_gives_the_same_precision(
    capsys, monkeypatch, shared_data: Path, tmp_path: Path
) -> None:
    """On the three photos of one event: the whole set takes minutes."""
    monkeypatch.setattr("hil.evaluation.official.load_ground_truth", lambda data: first_photos(shared_data, 3))
    found = [
        hil(capsys, monkeypatch, "evaluate", M4, "--data", shared_data / "faces", "-t", way)
        for way in ("integer", "native")
    ]
    assert [outcome.code for outcome in found] == [0, 0]
    figures = [re.findall(r"0\.\d{4}", outcome.out) for outcome in found]
    assert figures[0] == figures[1] and len(figures[0]) == 3


def first_photos(shared_data: Path, count: int) -> GroundTruth:
    """The ground truth of the first few photos alone."""
    truth = load_ground_truth(shared_data / "faces")
    counted = {name: masks[:count] for name, masks in truth.counted.items()}
    return GroundTruth(truth.names[:count], truth.faces[:count], counted)


def test_the_doctor_names_each_gap_and_its_remedy(capsys, monkeypatch) -> None:
    nothing_installed(monkeypatch)
    monkeypatch.setattr("hil.commands.doctor.importlib.metadata.version", lambda name: "2.0.0")
    outcome = hil(capsys, monkeypatch, "doctor")
    assert outcome.code == 1
    shown = " ".join(outcome.out.split())
    for text in ("pip install 'rnnpool-hil[toolchain]'", "2.0.0, needs 2.1.4", "unicorn==2.1.4",
                 "lacks compiler for the board, cmake, ninja, unicorn", "apt-get install -y openocd"):  # fmt: skip
        assert text in shown, text


def test_a_crash_of_the_firmware_is_a_failed_run_and_no_bad_input(capsys, monkeypatch) -> None:
    from hil.targets.base import TargetFault

    def crash() -> None:
        raise TargetFault("bus fault", "address 0x30000000", pc=0x0800_1234, lr=0, sp=0x2000_0100, symbol="conv_row")

    monkeypatch.setattr("hil.commands.doctor.examine", crash)
    outcome = hil(capsys, monkeypatch, "doctor")
    assert outcome.code == 1 and "bus fault in conv_row" in outcome.err and "Traceback" not in outcome.err
