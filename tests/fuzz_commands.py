"""A campaign: commands that read files of others, each given mutants of such a file; mutants by seed and number.

    PYTHONPATH=tests python tests/fuzz_commands.py [--only bundle,journal] [--mutants N] [--first N] [--seed N]

A command must end within 30 s of the processor with exit code 0, 1 or 2, without a traceback or a control character,
where it is 2 with one line of an error, and must leave nothing outside its folder. Each runs in a fork of this process,
by the same way as the command `hil` goes. A mutant that does worse is kept in build/mutants. Returns 1 where there is
one. tests/test_fuzz_commands.py has a short version.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import mutants
from cli import files_under
from kill_commands import HIL, PHOTO, SETTING, set_up
from kill_operations import SLOW_TO_IMPORT

MOST_CPU_S, MOST_S = 30, 900
KEPT = Path("build") / "mutants"


@dataclass(frozen=True)
class Subject:
    """file: in a folder as MADE leaves it, of which mutants are made; commands: of hil, {} where its name belongs."""

    file: str
    mutate: mutants.Mutate
    commands: tuple[tuple[str, ...], ...]


RUN = ("run", "given.safetensors", PHOTO, "-t", "native")
FAILING = (*RUN[:3], "--limits", "none.toml", "--failures")
MADE = (
    *SETTING,
    (*HIL, *RUN, "--json", "run.json", "--record", "link.rec.gz"),
    (*HIL, "history", "store", "--add", "results", "--dirty"),
)
FAILURES = ((*HIL, *FAILING, "failed", "-t", "native"), (*HIL, *FAILING, "failed-sim", "-t", "sim"))
BUNDLE = (("replay", "{}"), ("show", "{}", "--html", "page.html"))
HISTORY = (("history", "store"),)
SUBJECTS = {
    "bundle": Subject("failed/*.zip", mutants.archive, BUNDLE),
    "simulated bundle": Subject("failed-sim/*.zip", mutants.archive, BUNDLE),
    "recording": Subject("link.rec.gz", mutants.compressed(mutants.text), (("replay", "{}"),)),
    "result": Subject("run.json", mutants.document, (("compare", "results", "{}"),)),
    "kept result": Subject("store/*/*.json", mutants.document, HISTORY),
    "index": Subject("store/index.json", mutants.document, HISTORY),
    "checkpoint": Subject("given.safetensors", mutants.safetensors, (("plan", "{}"),)),
    "limits": Subject("none.toml", mutants.text, ((*RUN, "--limits", "{}"),)),
}


def prepare(folder: Path) -> None:
    """What the commands take."""
    set_up(folder, None, MADE)
    for command in FAILURES:
        subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def mutant(name: str, setting: Path, seed: int, number: int) -> tuple[Path, bytes]:
    """Its place below the setting, and its bytes."""
    subject, dice = SUBJECTS[name], random.Random(f"{seed} {name} {number}")
    path = dice.choice(sorted(setting.glob(subject.file)))
    return path.relative_to(setting), subject.mutate(path.read_bytes(), dice)


def complaints(arguments: tuple[str, ...], home: Path, cache: Path) -> Iterator[str]:
    """What a command does wrong in a folder, in lines."""
    around, said = files_under(home.parent.parent), home.parent / "said"
    child = os.fork()
    if child == 0:
        os._exit(_child(arguments, home, cache, said))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    text = said.read_text(errors="replace")
    said.unlink()
    if code < 0:
        yield f"more than {MOST_CPU_S} s" if -code == signal.SIGXCPU else f"ended by {signal.Signals(-code).name}"
    elif code not in (0, 1, 2):
        yield f"exit code {code}"
    if "Traceback" in text:
        yield "a traceback: " + (text.strip().splitlines() or [""])[-1]
    elif code == 2 and sum(line.startswith("error: ") for line in text.splitlines()) != 1:
        yield f"no line of an error: {text[-200:]!r}"
    if odd := {letter for letter in text if ord(letter) < 32 and letter not in "\n\r"}:
        yield f"control characters: {sorted(odd)}"
    inside = os.path.relpath(home, home.parent.parent) + os.sep
    for name in sorted(files_under(home.parent.parent) - around):
        if not name.startswith(inside) and "said" not in name:
            yield f"left outside: {name}"


def _child(arguments: tuple[str, ...], home: Path, cache: Path, said: Path) -> int:
    """The command, with its output in a file. Returns its exit code."""
    output = os.open(said, os.O_WRONLY | os.O_CREAT)
    os.dup2(output, 1), os.dup2(output, 2)
    sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115
    os.environ.update(HIL_CACHE=str(cache), TMPDIR=str(home.parent), COLUMNS="200")
    os.chdir(home)
    tempfile.tempdir = None
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S, MOST_CPU_S + 5))
    signal.alarm(MOST_S)
    sys.argv = ["hil", *arguments]
    code = 0
    try:
        from hil.cli import main

        main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush(), sys.stderr.flush()
    return code


def campaign(name: str, setting: Path, folder: Path, numbers: range, seed: int) -> int:
    """Give a subject's commands its mutants. Says what they do wrong; returns of how many mutants."""
    bad = 0
    for number in numbers:
        shutil.rmtree(folder, ignore_errors=True)
        home = folder / "inner" / "home"
        shutil.copytree(setting, home, symlinks=True)
        place, content = mutant(name, setting, seed, number)
        (home / place).write_bytes(content)
        wrong = []
        for command in SUBJECTS[name].commands:
            arguments = tuple(word.format(place) for word in command)
            found = complaints(arguments, home, setting.parent / "cache")
            wrong += [f"hil {command[0]}: {line}" for line in found]
        for line in wrong:
            print(f"{name}, seed {seed}, mutant {number}: {line}", flush=True)
        if wrong:
            KEPT.mkdir(parents=True, exist_ok=True)
            (KEPT / f"{name.replace(' ', '-')}-{seed}-{number}-{place.name}").write_bytes(content)
        bad += bool(wrong)
    shutil.rmtree(folder, ignore_errors=True)
    print(f"{name}: {len(numbers)} mutants, {bad} did worse than they may", flush=True)
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(SUBJECTS))
    parser.add_argument("--mutants", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--setting", type=Path, help="a folder that a run before has made, or that is to be made")
    asked = parser.parse_args()
    for module in SLOW_TO_IMPORT:
        import_module(module)
    import_module("torch").set_num_threads(1)
    numbers = range(asked.first, asked.first + asked.mutants)
    with tempfile.TemporaryDirectory() as root:
        setting = (asked.setting or Path(root) / "setting").resolve()
        if not setting.exists():
            prepare(setting)
        return int(any([campaign(name, setting, Path(root).resolve() / "trial", numbers, asked.seed)
                        for name in asked.only.split(",")]))  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
