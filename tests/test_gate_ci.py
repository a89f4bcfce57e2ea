"""`hil gate` and the GitHub Action around it: run locally on a small project, and what the files in YAML promise."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import compared
import pytest

from hil.errors import HilError
from hil.gate import github, measured
from hil.gate.difference import compare
from hil.gate.documents import load
from hil.gate.github import PullRequest
from hil.gate.measured import Wanted, measure, measure_commit
from hil.gate.tolerance import DEFAULTS
from hil.report.comparison import MARKER

yaml = pytest.importorskip("yaml")
REPOSITORY = Path(__file__).resolve().parent.parent
ACTION = REPOSITORY / "action.yml"
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))

PROJECT = """
import sys
sys.path.insert(0, {tests!r})
import compared
from hil.gate.gathering import KEY

class Run:
    def to_json(self):
        return compared.{run}()

def test_it(pytestconfig):
    pytestconfig.stash[KEY].take(Run())
"""


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a folder of tests: at HEAD~1 what was, at HEAD a slower kernel and a larger buffer."""
    folder = tmp_path / "repository"
    (folder / "firmware").mkdir(parents=True)
    git(folder, "init", "-b", "main")
    for run in ("run", "slower_and_larger"):
        text = PROJECT.format(tests=str(REPOSITORY / "tests"), run=run)
        (folder / "firmware" / "test_it.py").write_text(text)
        git(folder, "add", ".")
        git(folder, "commit", "-m", run)
    return folder


def step(name: str) -> str:
    """What a step of the action runs."""
    found = yaml.safe_load(ACTION.read_text())["runs"]["steps"]
    return next(one["run"] for one in found if one.get("name") == name)


def run_action(folder: Path, base: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The action's step on a pull request against a commit, as a runner would."""
    event = folder / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7, "base": {"sha": base}}}))
    python = folder / "bin"
    python.mkdir(exist_ok=True)
    (python / "python").unlink(missing_ok=True)
    (python / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (python / "python").chmod(0o755)
    inputs = {
        "PROJECT": "firmware",
        "TARGETS": "sim",
        "TOLERANCE": "",
        "PYTEST": "-p no:robotframework -q",
        "COMMENT": "false",
        "PROFILE": "",
    }
    facts = {
        "PATH": f"{python}:{os.environ['PATH']}", "GITHUB_TOKEN": "t", "GITHUB_REPOSITORY": "a/b",
        "GITHUB_EVENT_PATH": str(event), "GITHUB_STEP_SUMMARY": str(folder / "summary.md"), "COLUMNS": "200",
        "PYTHONPATH": str(REPOSITORY),
    }  # fmt: skip
    command = ["bash", "-e", "-o", "pipefail", "-c", step("Test and compare")]
    everything = os.environ | facts | inputs | environment
    return subprocess.run(command, cwd=folder, env=everything, capture_output=True, text=True)


@pytest.mark.skipif(shutil.which("git") is None or os.name == "nt", reason="needs git and bash")
def test_tests_that_leave_nothing_where_they_left_results_fail(project: Path) -> None:
    skipped = "import pytest\n\ndef test_it():\n    pytest.skip('the compiler is missing')\n"
    (project / "firmware" / "test_it.py").write_text(skipped)
    done = run_action(project, git(project, "rev-parse", "HEAD"))
    assert done.returncode == 1 and "these tests left none" in (project / "summary.md").read_text()


@pytest.mark.skipif(shutil.which("git") is None or os.name == "nt", reason="needs git and bash")
def test_the_action_names_what_got_worse_and_fails(project: Path) -> None:
    done = run_action(project, git(project, "rev-parse", "HEAD~1"))
    assert done.returncode == 1, done.stdout + done.stderr
    for text in (
        done.stdout,
        (project / "summary.md").read_text(),
        (project / "firmware/build/gate/comment.md").read_text(),
    ):
        assert "cycles.layer.conv0" in text and "ram.buffer.rows" in text
    left = {path.name for path in (project / "firmware/build/gate").iterdir()}
    assert left >= {"results", "junit.xml", "metrics.txt", "comment.md", "comparison.html", "base"}
    assert (
        git(project, "worktree", "list").count("\n") == 0 and not (project / "firmware/build/gate/base/tree").exists()
    )


@pytest.mark.skipif(shutil.which("git") is None or os.name == "nt", reason="needs git and bash")
def test_the_other_way_round_it_names_the_gain_and_passes(project: Path) -> None:
    slower = git(project, "rev-parse", "HEAD")
    git(project, "checkout", "-q", "HEAD~1")
    done = run_action(project, slower)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "better" in done.stdout and "cycles.layer.conv0" in (project / "summary.md").read_text()


@pytest.mark.skipif(shutil.which("git") is None or os.name == "nt", reason="needs git and bash")
def test_kept_results_spare_the_second_run_and_a_bad_base_is_told(project: Path) -> None:
    first = run_action(project, "HEAD", TOLERANCE="missing.toml")
    assert first.returncode == 2 and "missing.toml" in first.stderr
    unknown = run_action(project, "f" * 40)
    assert unknown.returncode == 2 and "fetch-depth: 0" in unknown.stderr
    shutil.copytree(project / "firmware/build/gate/results", project / "build/gate-base")
    again = run_action(project, "f" * 40)
    assert again.returncode == 0 and "nothing moved" in again.stdout, again.stdout + again.stderr


def gate(project: Path, *options: str | Path) -> subprocess.CompletedProcess[str]:
    """`hil gate` on the project's folder of tests."""
    command = [sys.executable, "-m", "hil", "gate", "--project", "firmware", "--out", "out", *options]
    facts = os.environ | {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"}
    facts.pop("GITHUB_EVENT_PATH", None)
    return subprocess.run(
        [*command, "--", "-p", "no:robotframework", "-q"], cwd=project, env=facts, capture_output=True, text=True
    )


def test_without_results_of_a_base_it_says_that_nothing_was_compared(project: Path) -> None:
    """As at the first time, where nothing is kept yet."""
    done = gate(project, "--base-results", "nowhere")
    assert done.returncode == 0 and "nothing was compared: nowhere holds no results" in done.stderr
    assert "nothing was compared" in (project / "out" / "comment.md").read_text()
    done = gate(project)
    assert done.returncode == 0 and "nothing was compared: no commit to compare with was given" in done.stderr


def test_a_profile_alone_is_no_result_of_tests(tmp_path: Path) -> None:
    compared.write(tmp_path / "profile" / "profile.json", compared.profile(5000, 100))
    found = measured.Measured(0, tmp_path)
    assert found.has_results and not found.has_tests_results
    compared.write(tmp_path / "deeper" / "run.json", compared.run())
    assert found.has_tests_results


def test_results_in_a_folder_deeper_are_compared(project: Path) -> None:
    compared.write(project / "kept" / "results" / "run.json", compared.run("test_it.py::test_it"))
    done = gate(project, "--base-results", "kept")
    assert done.returncode == 1 and "cycles.layer.conv0" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("kept", "named"),
    [(json.dumps(compared.run() | {"board": "uno"}), "board uno there"), ("{", "run.json is damaged")],
    ids=["another board", "damaged"],
)
def test_results_that_cannot_be_compared_fail(project: Path, kept: str, named: str) -> None:
    (project / "kept").mkdir()
    (project / "kept" / "run.json").write_text(kept)
    done = gate(project, "--base-results", "kept")
    assert done.returncode == 1 and "nothing was compared: " in done.stderr and named in done.stderr
    assert named in (project / "out" / "comment.md").read_text()


def test_a_profile_is_made_at_both_commits(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And lies where the comparison finds it."""
    real, run = measured._run, []

    def recorded(project: Path, module: str, *arguments: str) -> int:
        if module != "hil":
            return real(project, module, *arguments)
        run.append((project, arguments))
        compared.write(Path(arguments[-1]) / "profile.json", compared.profile(5000 + 4000 * len(run), 100))
        return 0

    monkeypatch.setattr(measured, "_run", recorded)
    wanted = Wanted(("native",), ("-p", "no:robotframework", "-q"), ("net", "a.png"))
    folder, out = project / "firmware", project / "out"
    head, base = measure(folder, out, wanted), measure_commit(folder, "HEAD~1", out / "base", wanted)
    assert [made[:-1] for _, made in run] == [("profile", "net", "a.png", "--fit", "--out")] * 2
    assert run[0][0] == folder and run[1][0] == out / "base" / "tree" / "firmware"
    found = compare(load(base.results), load(head.results), DEFAULTS)
    assert [pair.functions[0].function for pair in found.pairs if pair.functions] == ["conv_row"]


def test_what_the_tests_say_is_passed_on_without_control_characters(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "says.py").write_text(
        "import sys\nsys.stdout.buffer.write(b'one \\x1b]0;title\\x07 \\xff\\n\\ttwo\\n')\nsys.exit('last\\x9b2J')\n"
    )
    assert measured._run(tmp_path, "says") == 1
    said = capfd.readouterr().out
    assert said == "one \\x1b]0;title\\x07 \\udcff\n\ttwo\nlast\\x9b2J\n"


# -- the comment


class Api(BaseHTTPRequestHandler):
    """GitHub's comments of one pull request."""

    comments: list[dict[str, Any]] = []
    refuses = False

    def _answer(self, content: object) -> None:
        self.send_response(403 if self.refuses else 200)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def _body(self) -> str:
        return str(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"])

    def do_GET(self) -> None:
        page = int(self.path.rpartition("page=")[2])
        self._answer(self.comments[100 * (page - 1) : 100 * page])

    def do_POST(self) -> None:
        self.comments.append({"id": len(self.comments), "body": self._body()})
        self._answer({"html_url": "made"})

    def do_PATCH(self) -> None:
        self.comments[int(self.path.rpartition("/")[2])]["body"] = self._body()
        self._answer({"html_url": "updated"})

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def request_() -> Iterator[PullRequest]:
    Api.comments, Api.refuses = [{"id": n, "body": "by somebody"} for n in range(130)], False
    server = HTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield PullRequest(f"http://127.0.0.1:{server.server_port}", "a/b", 7, None, "t")
    server.shutdown()
    server.server_close()


def test_a_comment_is_made_once_and_updated_then(request_: PullRequest) -> None:
    assert github.comment(request_, f"{MARKER}\none", MARKER) == "made"
    assert github.comment(request_, f"{MARKER}\ntwo", MARKER) == "updated"
    assert [one["body"] for one in Api.comments[130:]] == [f"{MARKER}\ntwo"]


def test_a_comment_that_is_too_long_is_cut(request_: PullRequest) -> None:
    github.comment(request_, MARKER + "x" * 70_000, MARKER)
    assert len(Api.comments[-1]["body"]) < 65_536 and Api.comments[-1]["body"].endswith("has all)\n")


def test_a_refusal_says_which_right_is_missing(request_: PullRequest) -> None:
    Api.refuses = True
    with pytest.raises(HilError, match="403 Forbidden.*pull-requests: write"):
        github.comment(request_, MARKER, MARKER)


def test_a_token_goes_nowhere_without_https() -> None:
    with pytest.raises(HilError, match="expected an address of https"):
        github.comment(PullRequest("http://example.org", "a/b", 1, None, "secret"), "", MARKER)


@pytest.mark.parametrize("event", ["{", "{}", '{"pull_request": 3}', '{"pull_request": {"number": 1, "base": {}}}'])
def test_an_event_that_is_no_pull_request_is_none(tmp_path: Path, event: str) -> None:
    (tmp_path / "event.json").write_text(event)
    facts = {"GITHUB_EVENT_PATH": str(tmp_path / "event.json"), "GITHUB_REPOSITORY": "a/b", "GITHUB_TOKEN": "t"}
    assert github.pull_request(facts) is None
    assert github.pull_request({**facts, "GITHUB_EVENT_PATH": "nowhere"}) is None


# -- what the files promise


def uses(content: object) -> Iterator[str]:
    """Every action that a file uses."""
    for key, value in content.items() if isinstance(content, dict) else enumerate(content):  # type: ignore[arg-type]
        if key == "uses":
            yield str(value)
        elif isinstance(value, dict | list):
            yield from uses(value)


@pytest.mark.parametrize("path", [ACTION, *WORKFLOWS], ids=lambda path: path.name)
def test_actions_are_pinned_to_a_commit(path: Path) -> None:
    found = list(uses(yaml.safe_load(path.read_text())))
    assert found and [one for one in found if one != "./" and not re.search(r"@[0-9a-f]{40}$", one)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_have_few_rights_an_end_and_one_run_a_push(path: Path) -> None:
    found = yaml.safe_load(path.read_text())
    assert found["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in found["jobs"].values())
    on = found[True]  # YAML 1.1 takes `on` for a truth
    assert "pull_request" not in on or on.get("push") == {"branches": ["main"]}


def test_the_actions_shell_is_sound() -> None:
    for one in yaml.safe_load(ACTION.read_text())["runs"]["steps"]:
        if "run" in one:
            assert subprocess.run(["bash", "-n", "-c", one["run"]]).returncode == 0
            assert "${{" not in one["run"], "inputs reach a shell by its environment: never as its text"


def test_the_gitlab_template_runs_the_same_command() -> None:
    found = yaml.safe_load((REPOSITORY / ".ci" / "gitlab.yml").read_text())[".hil-gate"]
    assert "python -m hil gate" in found["script"][0] and found["timeout"] and len(found["rules"]) == 2
    assert found["artifacts"]["reports"]["junit"] == "build/gate/junit.xml"
    assert subprocess.run(["sh", "-n", "-c", found["script"][0]]).returncode == 0
