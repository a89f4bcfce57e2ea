"""`hil init`: what it lays down is green at once, alone and beside the plugins of others."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import venv
from configparser import ConfigParser
from pathlib import Path

import cli
import own_network
import pytest

from hil import zoo
from hil.bench.limits import load_limits
from hil.board import load
from hil.reference import weights
from hil.reference.catalogue import build

REPOSITORY = Path(__file__).resolve().parent.parent
NEIGHBOURS = ("pytest-embedded", "pytest-xdist", "pytest-benchmark", "labgrid", "pytest-robotframework")
LEFT_BEHIND = {".pytest_cache", "__pycache__", "build", ".benchmarks"}  # what runs of pytest may leave in a project

# labgrid and pytest-embedded both have a fixture `target`, and skip each other's tests until labgrid knows a target
LABGRID = "targets:\n  main:\n    resources: {}\n    drivers: {}\n"
MORE = """\
def test_others_fixtures_work_beside_ours(benchmark, app_path, target, hil_place):
    assert benchmark(sum, range(3)) == 3
    assert target.name == "main" and hil_place.target == "native"
"""


@pytest.fixture
def project(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    outcome = cli.hil(capsys, monkeypatch, "init", tmp_path / "mine")
    assert outcome.code == 0, outcome.err
    return tmp_path / "mine"


def run(python: str | Path, *arguments: str | Path, folder: Path) -> str:
    """What `python -m ARGUMENTS` prints in a folder; it must end well."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTEST_ADDOPTS": ""}
    environment["PATH"] = os.pathsep.join((sysconfig.get_path("scripts"), environment["PATH"]))  # PyPI's ninja
    with tempfile.TemporaryDirectory() as own:  # pytest-embedded's belongs to who came first; a socket's path is short
        environment["TMPDIR"] = own
        done = subprocess.run([python, "-m", *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has this one's packages and all the neighbours."""
    folder = tmp_path_factory.mktemp("crowded")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (theirs,) = (folder / "lib").glob("python*/site-packages")
    (theirs / "ours.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in ours))
    installed = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *NEIGHBOURS], capture_output=True, text=True, cwd=folder
    )
    if installed.returncode:
        pytest.skip(f"needs {', '.join(NEIGHBOURS)} from PyPI: {installed.stderr.strip().splitlines()[-1]}")
    return python


@pytest.mark.xdist_group("project")
def test_it_is_green_beside_other_plugins_and_nothing_is_left_behind(crowded: Path, project: Path) -> None:
    before = set(os.listdir(project))
    (project / "test_more.py").write_text(MORE)
    (project / "lab.yaml").write_text(LABGRID)
    theirs = ("-n", "1", "--target", "esp32", "--lg-env", "lab.yaml")
    said = run(crowded, "pytest", "-v", "--hil-target", "native", *theirs, folder=project)
    assert "4 passed" in said
    assert all(f"{name}-" in said for name in ("labgrid", "embedded", "benchmark", "xdist", "rnnpool-hil"))
    assert set(os.listdir(project)) - before - LEFT_BEHIND == {"test_more.py", "lab.yaml"}


@pytest.mark.xdist_group("project")
def test_our_robot_suites_run_under_pytest_where_that_is_asked_for(crowded: Path, tmp_path: Path) -> None:
    """Without the two that take Robot's tests for Python's."""
    suite = ("robot_tests/detection.robot", "-k", "Portrait", "--hil-target", "native")
    plugins = ("-p", "no:labgrid", "-p", "no:pytest_embedded", "--robot-outputdir", tmp_path)
    said = run(crowded, "pytest", *suite, *plugins, folder=REPOSITORY)
    assert "1 passed" in said and (tmp_path / "log.html").is_file()


@pytest.mark.xdist_group("project")
def test_robot_suites_under_pytest_without_its_plugin_name_it(crowded: Path) -> None:
    command = [crowded, "-m", "pytest", "robot_tests", "-p", "no:robotframework"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "pip install pytest-robotframework" in done.stdout + done.stderr


def test_installing_the_extras_brings_no_plugin_that_meddles() -> None:
    """pytest-robotframework takes every session of its environment over, and leaves logs where that ran."""
    wanted = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    everything = [
        *wanted["dependencies"],
        *(name for names in wanted["optional-dependencies"].values() for name in names),
    ]
    assert not [name for name in everything if name.startswith("pytest-robotframework")]


def test_its_robot_suite_is_green(project: Path) -> None:
    said = run(sys.executable, "robot", "--variable", "TARGET:native", "--outputdir", "build/robot", "firmware.robot",
               folder=project)  # fmt: skip
    assert "3 tests, 2 passed, 0 failed, 1 skipped" in said or "3 tests, 3 passed, 0 failed" in said


def test_its_workflow_holds_a_pull_request_against_its_base(project: Path) -> None:
    yaml = pytest.importorskip("yaml")
    steps = yaml.safe_load((project / ".github/workflows/firmware.yml").read_text())["jobs"]["firmware"]["steps"]
    (gate,) = [step["run"] for step in steps if "hil gate" in step.get("run", "")]
    who = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "begun"]):
        subprocess.run([*who, *words], cwd=project, check=True)
    command = gate.replace("${{ matrix.target }}", "native")
    command = command.replace("${{ github.event.pull_request.base.sha }}", "HEAD").removeprefix("hil ")
    said = run(sys.executable, "hil", *command.split(), "--", "-k", "reference", folder=project)
    assert "passed: nothing moved" in said
    assert {path.name for path in (project / "build/gate").iterdir()} >= {"results", "base", "comment.md"}


def test_its_limits_are_above_what_the_plan_predicts(project: Path) -> None:
    limits = load_limits(load("stm32f407_disco"), "rnnpool_face_m4", project / "limits.toml")
    assert 110e6 < limits["cycles.total"].value < 160e6
    assert 87_000 < limits["ram.total_bytes"].value < 105_000


def test_ones_own_checkpoint_goes_with_it(capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(zoo.find("rnnpool_face_m4").read_bytes())
    outcome = cli.hil(capsys, monkeypatch, "init", tmp_path / "there", "--model", mine, "--board", "stm32f429_disco")
    assert outcome.code == 0, outcome.err
    there = tmp_path / "there"
    assert (there / "mine.safetensors").read_bytes() == mine.read_bytes()
    settings = ConfigParser()
    settings.read(there / "pytest.ini")
    assert (settings["pytest"]["hil_model"], settings["pytest"]["hil_board"]) == ("mine.safetensors", "stm32f429_disco")
    assert "${CURDIR}/mine.safetensors" in (there / "firmware.robot").read_text()
    assert "mine.safetensors" in (there / "README.md").read_text()


def test_the_code_of_ones_own_network_goes_with_it(capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without it the new project's tests would find no network."""
    mine = own_network.checkpoint(tmp_path / "elsewhere")
    outcome = cli.hil(capsys, monkeypatch, "init", tmp_path / "there", "--model", mine)
    assert outcome.code == 0, outcome.err
    assert "mine.py" in outcome.out.split()
    monkeypatch.chdir(tmp_path / "there")
    assert weights.load(Path("small.safetensors")).spec.name == "small"


def test_what_is_there_is_left_alone(capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("mine")
    outcome = cli.hil(capsys, monkeypatch, "init", tmp_path)
    assert outcome.code == 2 and "has pytest.ini already" in outcome.err
    assert cli.files_under(tmp_path) == {"pytest.ini"} and (tmp_path / "pytest.ini").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--model", "nothing"], "unknown model 'nothing'"),
        (["--board", "nothing"], "no board is called 'nothing'"),
    ],
)
def test_bad_input_writes_nothing(capsys, monkeypatch, tmp_path: Path, arguments: list[str], complaint: str) -> None:
    outcome = cli.hil(capsys, monkeypatch, "init", tmp_path / "mine", *arguments)
    assert outcome.code == 2 and complaint in outcome.err
    assert cli.files_under(tmp_path) == set()


def test_a_checkpoint_without_ranges_is_told_how_to_get_them(capsys, monkeypatch, tmp_path: Path) -> None:
    weights.save(build("rnnpool_face_m4"), tmp_path / "raw.safetensors")
    outcome = cli.hil(capsys, monkeypatch, "init", tmp_path / "mine", "--model", tmp_path / "raw.safetensors")
    assert outcome.code == 2 and "hil quantise" in outcome.err and not (tmp_path / "mine").exists()


def test_a_folder_that_cannot_be_made_is_said(capsys, monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = cli.hil(capsys, monkeypatch, "init", tmp_path / "file" / "mine")
    assert outcome.code == 2 and "cannot make the folder" in outcome.err
