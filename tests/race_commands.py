"""A campaign: two commands at once in one folder with one cache; both must end as if each had been alone.

    PYTHONPATH=tests python tests/race_commands.py --rounds 200 [--seed N] [--first N]

Each round draws a pair and by how much the second begins later. Both must end with their exit codes; what each leaves
that is the same each time must be what it leaves alone, and nothing else may lie there. What is called `other` builds
another network in the same folder, as where a checkpoint has changed between two commands: each must run its own, for
a run is only good if the firmware is bit-exact to its network. Commands and folders are kill_operations.py's, and run
in forked processes. Returns 1 where something differs. tests/test_build_races.py and test_race_commands.py have
short versions.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from importlib import import_module
from pathlib import Path

import kill_operations
import own_network
from kill_commands import Command, Left, Trial, differences
from kill_operations import SLOW_TO_IMPORT, act

from hil import caches

PHOTO = "data/val/a/0.png"
NATIVE = "native"
RUN = ("--fit", "-t", NATIVE, "--json")
SUITE = ("pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "hil.suite", "-k", "undisturbed", "--hil-target", NATIVE)
COMMANDS = kill_operations.COMMANDS | {
    "run": Command(("run", "own/small.safetensors", PHOTO, *RUN, "run.json", "--record", "link.rec")),
    "other run": Command(("run", "other/small.safetensors", PHOTO, *RUN, "other.json")),
    "build": Command(("build", "own/small.safetensors", "--out", "made")),
    "other build": Command(("build", "other/small.safetensors", "--out", "made")),
    "portable build": Command(("build", "own/small.safetensors", "--out", "made", "--kernels", "portable")),
    "failing run": Command(
        ("run", "own/small.safetensors", PHOTO, *RUN, "x.json", "--limits", "none.toml", "--failures", "failed"), code=1
    ),
    "suite": Command((*SUITE, "--hil-model", "own/small.safetensors", "--hil-results", "own-results")),
    "other suite": Command((*SUITE, "--hil-model", "other/small.safetensors", "--hil-results", "other-results")),
}
PAIRS = (
    ("run", "other run"), ("suite", "other suite"), ("build", "other build"), ("run", "run"), ("other run", "suite"),
    ("build", "build"), ("build", "portable build"), ("failing run", "other run"), ("seed", "seed"),
    ("evaluate", "evaluate"), ("history", "history"), ("quantise", "quantise"), ("train", "train"),
    ("renode install", "renode install"),
)  # fmt: skip


LATER_S = (0.0, 0.3, 2.0)  # at most, the second begins


def set_up(folder: Path) -> None:
    kill_operations.set_up(folder)
    own_network.checkpoint(folder / "other", seed=2)
    (folder / "none.toml").write_text('[small]\n"logits.distance_to_float" = 0.0\n')


def begin(command: Command, trial: Trial) -> int:
    """Start a command; returns the process."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act(command, trial)
            code = 0
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(code)
    return child


def ended(command: Command, child: int) -> int:
    """The exit code of a process, its command's own where it is as it should be."""
    return command.code if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 else -1


def both(names: tuple[str, str], setting: Path, folder: Path, later_s: float | None) -> list[Left]:
    """Run both, the second so much later, or after the first; what each leaves, of which the folder is the same."""
    commands = [COMMANDS[name] for name in names]
    trial = Trial(setting, folder)
    kept = caches.root() / "firmware"
    if kept.is_dir():  # the compiler's work is not what is raced
        shutil.copytree(kept, folder / "cache" / "firmware")
    first = begin(commands[0], trial)
    if later_s is None:
        codes = [ended(commands[0], first), ended(commands[1], begin(commands[1], trial))]
    else:
        time.sleep(later_s)
        second = begin(commands[1], trial)
        codes = [ended(commands[0], first), ended(commands[1], second)]
    found = [trial.left(command, code) for command, code in zip(commands, codes, strict=True)]
    made = folder / "cache" / "firmware"
    if later_s is None and made.is_dir():
        shutil.copytree(made, kept, dirs_exist_ok=True)
    shutil.rmtree(folder)
    return found


def campaign(rounds: range, seed: int, setting: Path, folder: Path) -> int:
    """Says what differs; returns in how many rounds."""
    expected, bad = dict[tuple[str, str], list[Left]](), 0
    for number in rounds:
        dice = random.Random(f"{seed} {number}")
        names, later_s = PAIRS[number % len(PAIRS)], dice.uniform(0, dice.choice(LATER_S))
        if names not in expected:
            expected[names] = both(names, setting, folder, None)
        found = both(names, setting, folder, later_s)
        lines = [f"{name}: {line}" for name, one, wanted in zip(names, found, expected[names], strict=True)
                 for line in differences(one, wanted)]  # fmt: skip
        lines += [f"{name}: fails alone" for name, one in zip(names, expected[names], strict=True) if one.code == -1]
        bad += bool(lines)
        for line in lines:
            print(f"round {number}, {' and '.join(names)} {later_s:.2f} s later: {line}", flush=True)
    print(f"{len(rounds)} rounds, {bad} ended otherwise", flush=True)
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="number of the first round")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    for module in (*SLOW_TO_IMPORT, "pytest", "hil.bench.batch", "hil.firmware.build", "hil.compiler"):
        import_module(module)
    with tempfile.TemporaryDirectory() as root:
        setting = Path(root).resolve() / "setting"
        set_up(setting)
        rounds = range(asked.first, asked.first + asked.rounds)
        return int(campaign(rounds, asked.seed, setting, Path(root).resolve() / "trial") > 0)


if __name__ == "__main__":
    sys.exit(main())
