"""A campaign: two commands at once in one folder with one cache; both must end as if each had been alone.

    PYTHONPATH=tests python tests/race_commands.py --rounds 20 [--seed N] [--setting DIR]

Each round draws a pair and by how much the second begins later. Both must end with their exit codes; what each leaves
that is the same each time must be what it leaves alone, and nothing else may lie there. Commands, folders and what is
compared are kill_commands.py's. Returns 1 where something differs.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from kill_commands import COMMANDS, Left, Trial, differences, set_up

PAIRS = (
    ("build", "build"), ("run", "run"), ("build", "run"), ("seed", "seed"), ("history", "history"),
    ("failing run", "run"), ("quantise", "quantise"),
)  # fmt: skip


def at_once(names: tuple[str, str], setting: Path, folder: Path, later_s: float) -> list[Left]:
    """Run both; what each leaves, of which the folder is the same."""
    trial = Trial(setting, folder)
    first = trial.begin(COMMANDS[names[0]])
    time.sleep(later_s)
    second = trial.begin(COMMANDS[names[1]])
    codes = [process.wait() for process in (first, second)]
    found = [trial.left(COMMANDS[name], code) for name, code in zip(names, codes, strict=True)]
    shutil.rmtree(folder)
    return found


def alone(names: tuple[str, str], setting: Path, folder: Path) -> list[Left]:
    """One after the other."""
    trial = Trial(setting, folder)
    codes = [trial.begin(COMMANDS[name]).wait() for name in names]
    found = [trial.left(COMMANDS[name], code) for name, code in zip(names, codes, strict=True)]
    shutil.rmtree(folder)
    return found


def campaign(rounds: int, seed: int, setting: Path, folder: Path) -> int:
    """Says what differs; returns in how many rounds."""
    dice, expected, bad = random.Random(seed), dict[tuple[str, str], list[Left]](), 0
    for number in range(rounds):
        names, later_s = PAIRS[number % len(PAIRS)], dice.choice((0.0, dice.uniform(0, 1), dice.uniform(0, 5)))
        if names not in expected:
            expected[names] = alone(names, setting, folder)
        found = at_once(names, setting, folder, later_s)
        lines = [f"{name}: {line}" for name, one, wanted in zip(names, found, expected[names], strict=True)
                 for line in differences(one, wanted)]  # fmt: skip
        bad += bool(lines)
        for line in lines:
            print(f"round {number}, {' and '.join(names)} {later_s:.2f} s later: {line}", flush=True)
    print(f"{rounds} rounds, {bad} ended otherwise", flush=True)
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--setting", type=Path, help="a folder that a run before has made")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        setting = (asked.setting or Path(root) / "setting").resolve()
        if not setting.exists():
            set_up(setting, None)
        return int(campaign(asked.rounds, asked.seed, setting, Path(root).resolve() / "trial") > 0)


if __name__ == "__main__":
    sys.exit(main())
