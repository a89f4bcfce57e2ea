"""A project's tests run for their results: of the tree as it stands, and of another commit in a tree of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hil.errors import HilError
from hil.files import make_folder, reason
from hil.shown import shown

PROFILE = "profile"  # the folder of a profile among the results


@dataclass(frozen=True)
class Measured:
    """What a session left. code: pytest's exit code; results: a folder, empty where no test got so far, or a file."""

    code: int
    results: Path

    @property
    def has_results(self) -> bool:
        return bool(self._files)

    @property
    def has_tests_results(self) -> bool:
        """And not a profile alone."""
        return any(path.parent.name != PROFILE for path in self._files)

    @property
    def _files(self) -> list[Path]:
        return [self.results] if self.results.is_file() else list(self.results.rglob("*.json"))


@dataclass(frozen=True)
class Wanted:
    """What to run. targets: pytest's --hil-target; arguments: more of pytest's; profile: a model and an image for
    `hil profile`, from whose figures a comparison says in which functions cycles moved."""

    targets: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    profile: tuple[str, str] | None = None


def measure(project: Path, out: Path, wanted: Wanted) -> Measured:
    """Run a project's tests; leaves results/, metrics.txt, junit.xml and failures/ in `out`, in place of older ones."""
    make_folder(out)
    out = out.absolute()
    results = out / "results"
    shutil.rmtree(results, ignore_errors=True)
    files = {"results": results, "metrics": out / "metrics.txt", "failures": out / "failures"}
    options = [f"--junitxml={out / 'junit.xml'}", *(f"--hil-{name}={path}" for name, path in files.items())]
    options += [*(f"--hil-target={target}" for target in wanted.targets), *wanted.arguments]
    code = _run(project, "pytest", *options)
    if wanted.profile is not None:
        code = _run(project, "hil", "profile", *wanted.profile, "--fit", "--out", str(results / PROFILE)) or code
    return Measured(code, results)


def _run(project: Path, module: str, *arguments: str) -> int:
    """Its exit code; what it says is passed on, with what does not print as escapes."""
    command = [sys.executable, "-m", module, *arguments]
    try:
        with subprocess.Popen(
            command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            encoding="utf-8", errors="surrogateescape",
        ) as process:  # fmt: skip
            assert process.stdout is not None
            for line in process.stdout:
                print(shown(line, keep="\n\t"), end="", flush=True)
        return process.returncode
    except OSError as error:
        raise HilError(f"cannot run the tests in {project}: {reason(error)}") from error


def measure_commit(project: Path, ref: str, out: Path, wanted: Wanted) -> Measured:
    """The same of another commit of the project's repository. Raises HilError where git does not know it."""
    top = Path(_git(project, "rev-parse", "--show-toplevel"))
    commit = _git(project, "rev-parse", "--verify", f"{ref}^{{commit}}")
    inside = project.resolve().relative_to(top.resolve())
    with _tree_of(top, commit, out) as tree:
        if not (tree / inside).is_dir():
            raise HilError(f"{ref} has no folder {inside}: there is nothing to compare with")
        return measure(tree / inside, out, wanted)


@contextmanager
def _tree_of(top: Path, commit: str, out: Path) -> Iterator[Path]:
    """A checkout of a commit that goes again."""
    make_folder(out)
    tree = out.absolute() / "tree"
    if tree.exists():  # of a run that was killed
        _remove(top, tree)
    _git(top, "worktree", "add", "--detach", "--force", str(tree), commit)
    try:
        yield tree
    finally:
        _remove(top, tree)


def _remove(top: Path, tree: Path) -> None:
    subprocess.run(["git", "-C", str(top), "worktree", "remove", "--force", str(tree)], capture_output=True)
    shutil.rmtree(tree, ignore_errors=True)
    subprocess.run(["git", "-C", str(top), "worktree", "prune"], capture_output=True)


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, env=os.environ | {"LC_ALL": "C"}
        )
    except OSError as error:
        raise HilError(f"comparing with a commit needs git ({reason(error)}): apt-get install -y git") from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it failed"])[-1]
        raise HilError(f"git {arguments[0]} in {folder}: {said}; in CI, check the base out too (fetch-depth: 0)")
    return done.stdout.strip()
