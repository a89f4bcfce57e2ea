"""Each measurement of a test reaches JUnit, the metrics and the results folder, in one process and in several."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import fakes
import pytest

from hil.bench.limits import Measurement
from hil.bench.run import ImageFacts
from hil.gate.figures import measurements, of_run
from hil.gate.openmetrics import openmetrics
from hil.gate.origin import origin
from hil.gate.results import with_origin, write_result

pytest_plugins = ["pytester"]
junitparser = pytest.importorskip("junitparser")
parser = pytest.importorskip("prometheus_client.openmetrics.parser")

TESTS = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import fakes
import pytest
from hil.bench.limits import Measurement
from hil.gate.gathering import KEY

OTHER = (Measurement("cycles.total", 99, "cycle", 50), Measurement("ram.heap_used", None, "byte", 8))

@pytest.fixture(scope="session")
def shared(pytestconfig):
    pytestconfig.stash[KEY].take(fakes.run())

def test_shared(shared):
    pass

def test_two(pytestconfig):
    for run in (fakes.run(), fakes.run(measurements=OTHER)):
        pytestconfig.stash[KEY].take(run)
    assert not "reached"

def test_none():
    pass
"""


@pytest.fixture(scope="module", params=[(), ("-n", "2")], ids=["alone", "xdist"])
def left(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a session wrote JUnit, metrics and results into."""
    if request.param:
        pytest.importorskip("xdist")
    folder = tmp_path_factory.mktemp("session")
    (folder / "test_it.py").write_text(TESTS)
    wanted = ("--junitxml=junit.xml", "--hil-metrics=out/metrics.txt", "--hil-results=out/results")
    command = [sys.executable, "-m", "pytest", "-p", "no:robotframework", *wanted, *request.param]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert "1 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    return folder


def test_junit_holds_every_measurement_of_run_json(left: Path) -> None:
    cases = {case.name: case for suite in junitparser.JUnitXml.fromfile(str(left / "junit.xml")) for case in suite}
    found = {name: {p.name: p.value for p in case.child(junitparser.Properties) or ()} for name, case in cases.items()}
    for figure in measurements(fakes.run().to_json()):
        for test in ("test_shared", "test_two"):
            assert found[test][figure.name] == repr(figure.value)
            assert found[test][f"{figure.name}:unit"] == figure.unit
            assert found[test].get(f"{figure.name}:limit") == (figure.limit and repr(figure.limit))
    assert found["test_two"]["2/cycles.total"] == "99" and found["test_two"]["2/ram.heap_used"] == "not measured"
    assert found["test_shared"]["run"] == "rnnpool_face_m4 stm32f407_disco sim a b.png"
    assert not found["test_none"]


def test_metrics_are_read_by_prometheus(left: Path) -> None:
    families = {f.name: f for f in parser.text_string_to_metric_families((left / "out" / "metrics.txt").read_text())}
    totals = sorted(s.value for s in families["hil_measurement"].samples if s.labels["name"] == "cycles.total")
    assert totals == [99, 71_000_000, 71_000_000]
    assert {s.labels["unit"] for s in families["hil_limit"].samples} == {"cycle", "byte"}
    assert sorted(s.value for s in families["hil_run_passed"].samples) == [0, 1, 1]


def test_results_hold_each_run_and_its_origin(left: Path) -> None:
    found = [json.loads(path.read_text()) for path in (left / "out" / "results").iterdir()]
    assert len(found) == 3
    tests = sorted(run["origin"]["test"].rpartition("::")[2] for run in found)
    assert tests == ["test_shared", "test_two", "test_two #2"]
    assert all(run["origin"].keys() >= {"commit", "branch", "dirty", "compiler", "host"} for run in found)
    whole = json.loads(json.dumps(fakes.run().to_json()))
    assert any({key: value for key, value in run.items() if key != "origin"} == whole for run in found)


def test_a_folder_that_cannot_be_made_is_told_at_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it():\n    pass\n")
    (pytester.path / "taken").touch()
    result = pytester.runpytest_subprocess("--hil-results", "taken/results", "-p", "no:robotframework")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*cannot make the folder taken/results*"])


def test_metrics_bear_any_name() -> None:
    name = 'a "b"\n.png'
    run = fakes.run(image=ImageFacts(name, "ab" * 32, 320, 240)).to_json()
    family = next(iter(parser.text_string_to_metric_families(openmetrics([run]))))
    assert family.samples[0].labels["image"] == name


def test_no_runs_are_metrics_too() -> None:
    assert all(not family.samples for family in parser.text_string_to_metric_families(openmetrics([])))


def test_the_commit_the_branch_and_changes_are_told(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *arguments], check=True, capture_output=True)

    assert origin(tmp_path / "nowhere")["commit"] is None
    git("init", "-b", "topic")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-m", "one")
    clean = origin(tmp_path)
    assert len(clean["commit"]) == 40 and clean["branch"] == "topic" and clean["dirty"] is False
    (tmp_path / "file").write_text("two")
    assert origin(tmp_path)["dirty"] is True


def test_the_same_test_has_the_same_file_at_another_commit(tmp_path: Path) -> None:
    run = fakes.run().to_json()
    one, other = (write_result(tmp_path, run, {"commit": commit}, "test_it") for commit in ("a", "b"))
    assert one == other and json.loads(one.read_text())["origin"]["commit"] == "b"
    assert write_result(tmp_path, run, {}, "test_it #2") != one


def test_the_table_goes_beyond_the_measurements() -> None:
    made = fakes.run(measurements=(Measurement("cycles.total", 1, "cycle"),)).to_json()
    names = [figure.name for figure in of_run(with_origin(made, {}))]
    assert names[0] == "cycles.total" and {"cycles.layer.conv0", "cycles.decode", "ram.static.ccm"} <= set(names)
