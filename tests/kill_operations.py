"""A campaign: a command stopped at each of its operations on files, or with a disk that is full from each on.

    PYTHONPATH=tests python tests/kill_operations.py [--only quantise,seed] [--every N] [--data WIDER] [--short]

What is compared is kill_commands.py's, the operations power.py's: what is not on the disk when the power fails is torn.
A full disk must end the command with an error of one line, or not matter. Afterwards the command runs again
undisturbed, and must end and leave what a run leaves that nothing disturbed. The networks and photos are tiny; commands
that start compilers are left out, for those would go on after the kill. --every: only each N-th operation; --data:
WIDER FACE, for an evaluation that keeps a journal; --short: one operation of each command. Returns 1 where something
differs.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

import compared
import numpy as np
import own_network
import power
import pytest
from kill_commands import GIT, Command, Left, Trial, differences
from PIL import Image

from hil.errors import HilError

MOST = 1_000_000
SHORT = (
    ("seed", True, 3), ("quantise", True, 4), ("history", False, 9), ("evaluate", False, 7), ("train", False, 5),
    ("renode install", True, 5),
)  # fmt: skip
UNPACK = "unpack"  # what `hil renode install` does to the disk, without pip and without starting Renode
COMMANDS = {
    "seed": Command(("seed", "--network", "own/mine.py:make", "-o", "made.safetensors"), ("made.safetensors",)),
    "quantise": Command(
        ("quantise", "own/small.safetensors", "--images", "data/val", "-o", "made.safetensors"), ("made.safetensors",)
    ),
    "history": Command(("history", "store", "--add", "results", "--dirty"), ("store/history.html",)),
    "evaluate": Command(
        ("evaluate", "own/small.safetensors", "--data", "data", "-t", "float,integer", "--json", "found.json"),
        ("found.json",),
    ),
    "evaluate faces": Command(
        ("evaluate", "rnnpool_face_m4", "--data", "WIDER", "-t", "float", "--limit", "3", "--json", "found.json"),
        ("found.json",),
    ),
    "train": Command(
        ("train", "--network", "own/mine.py:make", "--data", "data", "--images", "8", "--threads", "1", "-o", "made"),
        ("made/small.safetensors", "made/small-last.safetensors"),
    ),
    "renode install": Command((UNPACK,), ("renode/renode", "renode/lib/*.so")),
}
SLOW_TO_IMPORT = (
    "hil.cli", "torch", "torch._dynamo", "hil.checkpoints.calibration", "hil.checkpoints.seeding", "hil.evaluation.run",
    "hil.evaluation.classes", "hil.report.history_html", "hil.training.loop", "hil.training.lesson",
    "matplotlib.pyplot", "skimage.data",
)  # fmt: skip


def set_up(folder: Path, data: Path | None = None) -> None:
    """Make what the commands take: a network of three classes, photos of each, results, an archive."""
    folder.mkdir(parents=True)
    if data is not None:
        (folder / "WIDER").symlink_to(data.resolve(), target_is_directory=True)
    own_network.checkpoint(folder / "own")
    dice = np.random.default_rng(1)
    for split, count in (("train", 3), ("val", 2)):
        for number, name in enumerate("abc" * count):
            path = folder / "data" / split / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(dice.integers(0, 255, (30, 40, 3), np.uint8)).save(path)
    compared.write(folder / "results" / "run.json", compared.run())
    for arguments in (("init", "--quiet"), ("commit", "--quiet", "--allow-empty", "--message", "begun")):
        subprocess.run([*GIT, *arguments], cwd=folder, check=True)
    with tarfile.open(folder / "renode.tar.gz", "w:gz") as tar:
        for name in ("renode", ".renode-root", "lib/one.so"):
            (member := tarfile.TarInfo(f"renode_portable/{name}")).size = 20_000
            tar.addfile(member, io.BytesIO(name[:1].encode() * 20_000))


def unpack() -> None:
    """As `hil renode install --from renode.tar.gz` does, into a folder of its own."""
    from hil.targets.pyrenode.install import unpack

    archive = Path("renode.tar.gz")
    unpack(archive, hashlib.sha256(archive.read_bytes()).hexdigest(), Path("renode").absolute())


def act(command: Command, trial: Trial) -> None:
    """The command in this process. Raises HilError where it ends with another exit code than it should.

    Raises AssertionError where it then says anything but one line of an error.
    """
    import torch

    from hil.cli import main

    os.environ.update(trial.environment)
    os.chdir(trial.home)
    tempfile.tempdir = None
    torch.set_num_threads(1)
    sys.argv = ["hil", *command.arguments]
    said = sys.stdout = sys.stderr = io.StringIO()
    try:
        if command.arguments == (UNPACK,):
            unpack()
        elif command.arguments[0] == "pytest":
            sys.exit(pytest.main([*command.arguments[1:]]))
        else:
            main()
    except SystemExit as ended:
        if (ended.code or 0) != command.code:
            errors = [line for line in said.getvalue().splitlines() if line.startswith(("error:", "Traceback"))]
            assert len(errors) == 1 and errors[0].startswith("error:"), said.getvalue()
            raise HilError(errors[0]) from None


def ended(command: Command, trial: Trial, folder: Path) -> Left:
    """What the command leaves that nothing disturbs."""
    code = power.stopped(lambda: act(command, trial), folder, 0)
    return trial.left(command, command.code if code == power.ENDED else -1)


def trials(
    command: Command, setting: Path, folder: Path, is_full: bool, moments: Iterable[int]
) -> Iterator[tuple[int, list[str]]]:
    """The number of each operation, and what is wrong after the command was stopped there."""
    expected = ended(command, Trial(setting, folder), folder)
    if expected.code != command.code:
        yield 0, ["it fails although nothing disturbed it"]
        return
    for at in moments:
        shutil.rmtree(folder, ignore_errors=True)  # a worker of the command that was stopped may be tidying up there
        trial = Trial(setting, folder)
        code = power.stopped(lambda trial=trial: act(command, trial), folder, at, is_full)  # type: ignore[misc]
        wrong = ["an exception, or an error of several lines"] if code == power.BARE else []
        yield at, wrong + list(differences(ended(command, trial, folder), expected))
        if code == power.ENDED:
            return


def campaign(name: str, setting: Path, folder: Path, is_full: bool, moments: Iterable[int] = range(1, MOST)) -> int:
    """Stop a command at its operations. Says what differs; returns at how many it did."""
    bad = operations = 0
    how = "full disk" if is_full else "power lost"
    for at, wrong in trials(COMMANDS[name], setting, folder, is_full, moments):
        operations, bad = operations + 1, bad + bool(wrong)
        for line in wrong:
            print(f"{name}, {how} at operation {at}: {line}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    print(f"{name}, {how}: {operations} operations, {bad} ended otherwise", flush=True)
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(COMMANDS))
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--short", action="store_true")
    asked = parser.parse_args()
    every = range(1, MOST, asked.every)
    names = [name for name in asked.only.split(",") if name != "evaluate faces" or asked.data is not None]
    wanted = [(name, is_full, every) for name in names for is_full in (False, True)]
    if asked.short:
        wanted = [(name, is_full, range(at, at + 1)) for name, is_full, at in SHORT]
    for module in SLOW_TO_IMPORT:
        import_module(module)
    bad = 0
    with tempfile.TemporaryDirectory() as root:
        setting = Path(root).resolve() / "setting"
        set_up(setting, asked.data)
        for name, is_full, moments in wanted:
            bad += campaign(name, setting, Path(root).resolve() / "trial", is_full, moments)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
