"""A campaign: a command stopped at each of its operations on files, or with a disk that is full from each on.

    PYTHONPATH=tests python tests/kill_operations.py [--only quantise,seed] [--every N] [--data WIDER]

Commands, folders and what is compared are kill_commands.py's, the operations power.py's: what is not on the disk when
the power fails is torn. A full disk must end the command with an error of one line, or not matter. Afterwards the
command runs again undisturbed, and must end and leave what a run leaves that nothing disturbed. Not for commands that
start compilers, which would go on after the kill. --every: only each N-th operation. Returns 1 where something
differs. tests/test_kill_operations.py has a short version.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import power
from kill_commands import COMMANDS, Command, Left, Trial, differences, set_up

from hil.errors import HilError

MOST = 1_000_000
ALONE = ("seed", "quantise", "history", "evaluate")  # those that do all of it in their own process
SLOW_TO_IMPORT = (
    "hil.cli", "torch", "torch._dynamo", "hil.checkpoints.calibration", "hil.checkpoints.seeding", "hil.evaluation.run",
    "hil.report.history_html", "matplotlib.pyplot", "skimage.data",
)  # fmt: skip


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


def trials(command: Command, setting: Path, folder: Path, is_full: bool, every: int) -> Iterator[tuple[int, list[str]]]:
    """The number of each operation, and what is wrong after the command was stopped there."""
    expected = ended(command, Trial(setting, folder), folder)
    if expected.code != command.code:
        yield 0, ["it fails although nothing disturbed it"]
        return
    for at in range(1, MOST, every):
        shutil.rmtree(folder)
        trial = Trial(setting, folder)
        code = power.stopped(lambda trial=trial: act(command, trial), folder, at, is_full)  # type: ignore[misc]
        wrong = ["an exception, or an error of several lines"] if code == power.BARE else []
        yield at, wrong + list(differences(ended(command, trial, folder), expected))
        if code == power.ENDED:
            return


def campaign(name: str, setting: Path, folder: Path, is_full: bool, every: int = 1) -> int:
    """Stop a command at its operations. Says what differs; returns at how many it did."""
    bad = operations = 0
    how = "full disk" if is_full else "power lost"
    for at, wrong in trials(COMMANDS[name], setting, folder, is_full, every):
        operations, bad = operations + 1, bad + bool(wrong)
        for line in wrong:
            print(f"{name}, {how} at operation {at}: {line}", flush=True)
    shutil.rmtree(folder)
    print(f"{name}, {how}: {operations} operations, {bad} ended otherwise", flush=True)
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(ALONE))
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--data", type=Path, help="WIDER FACE; without it evaluate is left out")
    asked = parser.parse_args()
    for module in SLOW_TO_IMPORT:
        import_module(module)
    bad = 0
    with tempfile.TemporaryDirectory() as root:
        setting = Path(root).resolve() / "setting"
        set_up(setting, asked.data)
        for name in asked.only.split(","):
            if name != "evaluate" or asked.data is not None:
                for is_full in (False, True):
                    bad += campaign(name, setting, Path(root).resolve() / "trial", is_full, asked.every)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
