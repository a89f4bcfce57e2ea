"""README's code runs: every block, as it stands."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from compilers import needs
from PIL import Image
from served import serve
from skimage import data
from stub_firmware import need

from hil import zoo
from hil.bench.limits import load_limits
from hil.board import load
from hil.errors import HilError
from hil.firmware.build import NATIVE, build
from hil.firmware.stamp import write_hash
from hil.reference import weights
from hil.targets.pyrenode import release
from hil.targets.pyrenode.find import find

REPOSITORY = Path(__file__).resolve().parent.parent
README = (REPOSITORY / "README.md").read_text()
BLOCKS = [(kind, code.strip()) for kind, code in re.findall(r"^```(\w+)\n(.*?)^```$", README, re.M | re.S)]

needs_compiler = needs("stm32f407_disco")


def blocks(kind: str, having: str) -> str:
    """The one block of a kind that has a text in it."""
    (found,) = [code for k, code in BLOCKS if k == kind and having in code]
    return found


def test_every_block_is_run_by_a_test_below() -> None:
    tested = [
        "make demo",
        "hil run rnnpool_face_m4 *.jpg",
        "--target serial",
        "hil renode install",
        "robot --variable",
        "hil quantise",
        "cmake --preset",
        "hil train",
        "pytest hil/",
        "def test_",
        "125_000_000",
    ]
    for _, code in BLOCKS:
        assert any(having in code for having in [*tested, "json.load"]), f"no test runs this block:\n{code}"


@pytest.mark.parametrize("command", blocks("sh", "make demo").splitlines())
def test_the_two_commands_are_targets_of_the_makefile(command: str) -> None:
    """Only shown, not run: `make test` is what runs this test."""
    shown = subprocess.run([*shlex.split(command), "--dry-run"], cwd=REPOSITORY, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert {"make demo": "hil demo", "make test": "-m pytest"}[command] in shown.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder: two photos, a folder of photos, a checkpoint of their own without ranges."""
    (tmp_path / "photos").mkdir()
    for i, name in enumerate(("astronaut", "coffee", "rocket")):
        Image.fromarray(getattr(data, name)()).save(tmp_path / ("photos" if i else ".") / f"{name}.jpg")
    shutil.copy(tmp_path / "astronaut.jpg", tmp_path / "photo.jpg")
    weights.save(weights.load(zoo.find("rnnpool_face_m4")), tmp_path / "mine.safetensors")
    return tmp_path


def run_shell(code: str, folder: Path) -> str:
    """Run a block in a folder, with `hil` and `pytest` of this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {
        "PATH": path,
        "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }
    done = subprocess.run(["sh", "-euc", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_the_training_and_evaluation_commands_ask_for_data_and_nothing_else(folder: Path) -> None:
    """Run as they stand, where there is no data: hours of training are no test."""
    for line in blocks("sh", "hil train").splitlines():
        with pytest.raises(AssertionError, match=r"error: no (WIDER FACE annotations|ground truth) at wider/"):
            run_shell(line, folder)


@needs_compiler
def test_ones_own_photos(folder: Path) -> None:
    run_shell(blocks("sh", "hil run rnnpool_face_m4 *.jpg"), folder)
    assert (folder / "runs.json").stat().st_size > 1000 and (folder / "report.html").stat().st_size > 50_000


@needs_compiler
@pytest.mark.xdist_group("renode")
def test_renodes_commands(folder: Path) -> None:
    """Nothing is fetched: Renode must be here. Of the suite, what tells Renode from the sim."""
    try:
        found = find()
    except HilError as error:
        pytest.skip(str(error))
    install, run, suite = blocks("sh", "hil renode install").splitlines()
    if found.path is not None and found.path.is_relative_to(release.home()):
        assert "boots a program" in run_shell(install, folder)
    assert "bit-exact" in run_shell(run, folder)
    assert "passed" in run_shell(f"{suite} -q -k 'hello_names and stm32f407'", REPOSITORY)


@needs_compiler
def test_a_board_at_a_serial_port(folder: Path) -> None:
    """A simulated board is served at another port."""
    command = blocks("sh", "--target serial")
    elf = build("rnnpool_face_m4", "stm32f407_disco").elf
    with serve(elf, folder / "port") as served:
        assert "bit-exact" in run_shell(command.replace("/dev/ttyUSB0", str(served.port)), folder)


def test_a_robot_suite(folder: Path) -> None:
    """One suite of them, on the host: `make test` runs them all."""
    command = blocks("sh", "robot --variable").replace("TARGET:sim", "TARGET:native")
    output = run_shell(command.replace("robot_tests/", f"{REPOSITORY}/robot_tests/detection.robot"), folder)
    assert "0 failed" in output and (folder / "build" / "robot" / "log.html").is_file()


@needs_compiler
def test_ones_own_checkpoint_from_ranges_to_cmake_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("arm-none-eabi-gcc", "cmake", "ninja")  # by their names: CMake alone does not look into Python's packages
    run_shell(blocks("sh", "hil quantise"), folder)
    out = folder / "build" / "mine_ready" / "stm32f407_disco" / "out"
    built_by_hil = (out / "stm32f407_disco" / "firmware.elf").read_bytes()
    shutil.rmtree(out)
    run_shell(blocks("sh", "cmake --preset").replace("cmake --preset", "PATH=/usr/bin:/bin cmake --preset"), folder)
    made = out / "stm32f407_disco" / "firmware.elf"
    write_hash(made)  # the one thing that hil adds to what CMake makes
    assert made.read_bytes() == built_by_hil, "the same sources give the same bytes, wherever they are built"


def test_the_pytest_example_passes(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(blocks("python", "def test_") + "\n")
    output = run_shell("python -m pytest -q test_mine.py --hil-target native -p no:cacheprovider", tmp_path)
    assert "1 passed" in output


def test_the_suites_command_collects_every_target() -> None:
    output = run_shell(blocks("sh", "pytest hil/ --hil-target sim") + " --collect-only -q", REPOSITORY)
    assert "[sim-stm32f407_disco" in output and "[native-stm32f407_disco" in output


def test_the_limits_example_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "limits.toml"
    path.write_text(blocks("toml", "125_000_000"))
    limits = load_limits(load("stm32f407_disco"), "rnnpool_face_m4", path)
    assert limits["cycles.total"].value == 125_000_000
    assert tomllib.loads(path.read_text())["rnnpool_face_m4"].keys() <= limits.keys()


def test_the_run_json_example_prints_its_numbers(folder: Path) -> None:
    build("rnnpool_face_m4", "stm32f407_disco", preset=NATIVE)
    run_shell("hil demo --target native --out build/demo", folder)
    assert run_shell(f"python -c {shlex.quote(blocks('python', 'json.load'))}", folder).startswith("True True None")


def test_pictures_are_there() -> None:
    for target in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (REPOSITORY / target).exists(), target
