"""A campaign: each command killed at drawn moments, then run again; it must end as if it had never been killed.

    PYTHONPATH=tests python tests/kill_commands.py --moments 20 [--seed N] [--only build,run] [--data WIDER]

A command runs undisturbed first: that gives its time and what it leaves. Then, for each moment, it begins in a fresh
folder, is killed with all its processes (kill -9), and begins again with the same arguments. Afterwards its exit code,
the files it leaves and the content of those that do not name a time must be the undisturbed run's, and what reads them
must succeed. --data: WIDER FACE, for evaluate. Returns 1 where something differs. tests/test_leftovers.py has a short
version.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cli import files_under

from hil import caches

HIL = (sys.executable, "-m", "hil")
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "hil.suite", "-k", "undisturbed")
PHOTO = "photos/circle00.png"
_TIME = re.compile(rb'"per_second": [0-9.e+-]+')  # of an evaluation


@dataclass(frozen=True)
class Command:
    """arguments: of hil, in a folder that has what SETTING makes; same: what it leaves that is the same each time;
    read: arguments of hil for a command that reads what it leaves."""

    arguments: tuple[str, ...]
    same: tuple[str, ...] = ()
    read: tuple[str, ...] = ("--version",)
    code: int = 0


COMMANDS = {
    "seed": Command(("seed", "--network", "network.py:make", "-o", "made.safetensors"), ("made.safetensors",)),
    "quantise": Command(
        ("quantise", "shapes.safetensors", "--images", "photos", "-o", "made.safetensors"), ("made.safetensors",)
    ),
    "build": Command(("build", "given.safetensors", "--out", "made"), ("made/out/*/firmware.elf", "made/*.c")),
    "run": Command(
        ("run", "given.safetensors", PHOTO, "-t", "native", "--json", "run.json", "--record", "link.rec"),
        read=("replay", "link.rec"),
    ),
    "failing run": Command(
        ("run", "given.safetensors", PHOTO, "-t", "native", "--limits", "none.toml", "--failures", "failed"), code=1
    ),
    "history": Command(("history", "store", "--add", "results", "--dirty"), ("store/history.html",)),
    "evaluate": Command(
        ("evaluate", "rnnpool_face_m4", "--data", "WIDER", "-t", "float", "--limit", "12", "--json", "found.json"),
        ("found.json",),
    ),
}
NETWORK = (*HIL, "new-network", ".")
GIT = ("git", "-c", "user.name=nobody", "-c", "user.email=nobody@localhost")
SETTING = (
    (*GIT, "init", "--quiet"),
    (*GIT, "commit", "--quiet", "--allow-empty", "--message", "begun"),
    NETWORK,
    (sys.executable, "train.py", "--minutes", "0.05"),
    (*HIL, "quantise", "shapes.safetensors", "--images", "photos", "-o", "given.safetensors"),
    (*PYTEST, "--hil-model", "given.safetensors", "--hil-target", "native", "--hil-results", "results"),
)


@dataclass(frozen=True)
class Left:
    """By a command. content: of the files that are the same each time."""

    code: int
    files: set[str]
    content: dict[str, bytes]


def _linked(source: str, target: str) -> None:
    """The same file under another name, where the disk can: nothing writes into it, new content gets a new file."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


class Trial:
    """A folder as SETTING left it, and a cache that has the machine code only: the rest is made again."""

    def __init__(self, setting: Path, folder: Path) -> None:
        self.home = folder / "home"
        shutil.copytree(setting, self.home, symlinks=True)
        cache = folder / "cache"
        code = caches.root() / "machine-code"
        if code.is_dir():
            shutil.copytree(code, cache / "machine-code", copy_function=_linked)
        self.environment = os.environ | {"HIL_CACHE": str(cache), "TMPDIR": str(folder)}

    def begin(self, command: Command) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*HIL, *command.arguments], cwd=self.home, env=self.environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def ended(self, command: Command) -> Left:
        """What a command leaves that nothing disturbs; exit code -1 where what reads it fails."""
        code = self.begin(command).wait()
        found = self.left(command, code)
        return replace(found, code=-1) if self.begin(Command(command.read)).wait() else found

    def left(self, command: Command, code: int) -> Left:
        same = [path for pattern in command.same for path in sorted(self.home.glob(pattern))]
        content = {str(path.relative_to(self.home)): _TIME.sub(b"", path.read_bytes()) for path in same}
        return Left(code, files_under(self.home), content)


def set_up(folder: Path, data: Path | None, commands: Sequence[tuple[str, ...]] = SETTING) -> None:
    """Make what the commands under test take."""
    folder.mkdir(parents=True)
    (folder / "none.toml").write_text('[shapes]\n"logits.distance_to_float" = 0.0\n')
    for command in commands:
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    if data is not None:
        (folder / "WIDER").symlink_to(data.resolve(), target_is_directory=True)


def undisturbed(command: Command, setting: Path, folder: Path) -> tuple[float, Left]:
    """Seconds that a command takes, and what it leaves."""
    trial, begun = Trial(setting, folder), time.monotonic()
    trial.begin(command).wait()
    taken_s = time.monotonic() - begun
    shutil.rmtree(folder)
    return taken_s, Trial(setting, folder).ended(command)


def killed(command: Command, setting: Path, folder: Path, after_s: float) -> Left:
    """What a command leaves that is killed, and then begun again."""
    trial = Trial(setting, folder)
    process = trial.begin(command)
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return trial.ended(command)


def differences(left: Left, expected: Left) -> Iterator[str]:
    """In lines, where a run that was killed ended otherwise."""
    if left.code != expected.code:
        yield f"exit code {left.code}, not {expected.code}"
    for name in sorted(left.files - expected.files):
        yield f"left behind: {name}"
    for name in sorted(expected.files - left.files):
        yield f"missing: {name}"
    for name in sorted(left.content.keys() & expected.content.keys()):
        if left.content[name] != expected.content[name]:
            yield f"another content: {name}"


def campaign(name: str, moments: int, seed: int, setting: Path, folder: Path) -> int:
    """Kill a command at so many moments. Says what differs; returns at how many it did."""
    command, dice = COMMANDS[name], random.Random(f"{seed} {name}")
    taken_s, expected = undisturbed(command, setting, folder)
    if expected.code != command.code:
        print(f"{name}: exit code {expected.code} although nothing disturbed it")
        return 1
    bad = 0
    for _ in range(moments):
        shutil.rmtree(folder)
        after_s = dice.uniform(0, taken_s)
        found = list(differences(killed(command, setting, folder, after_s), expected))
        bad += bool(found)
        for line in found:
            print(f"{name}, killed after {after_s:.2f} s: {line}", flush=True)
    print(f"{name}: {moments} moments within {taken_s:.1f} s, {bad} ended otherwise", flush=True)
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default=",".join(COMMANDS))
    parser.add_argument("--data", type=Path, help="WIDER FACE; without it evaluate is left out")
    asked = parser.parse_args()
    names = [name for name in asked.only.split(",") if name != "evaluate" or asked.data is not None]
    with tempfile.TemporaryDirectory() as root:
        set_up(Path(root) / "setting", asked.data)
        return int(any([campaign(name, asked.moments, asked.seed, Path(root) / "setting", Path(root) / name)
                        for name in names]))  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
