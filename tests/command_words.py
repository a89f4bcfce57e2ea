"""Whether a command that the documentation shows exists, with the options it is given: nothing is run."""

from __future__ import annotations

import re
import shutil
import sysconfig
import tomllib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from doc_blocks import REPOSITORY

ELSEWHERE = frozenset((  # other people's programs, and the shell's own words
    "cd", "export", "git", "cmake", "source", "renode", "nc", "openocd", "pyocd", "st-flash", "docker", "sh", "python",
    "sudo", "apt-get", "ssh", "labgrid-client", "labgrid-coordinator", "labgrid-exporter", "dask",
    "gdb-multiarch", "arm-none-eabi-gdb", "genhtml", "twine", "echo", "cat",
    "test", "kill", "sleep", "wait", "grep", "mkdir", "cp", "rm", "pre-commit", "npm", "node", "curl", "sed",
))  # fmt: skip
OF_SHELL = ("while", "until", "do", "done", "if", "then", "fi")
OF_PYTEST = frozenset(
    ("-q", "-s", "-v", "-k", "-n", "-m", "-x", "-p", "-ra", "--junitxml", "--pyargs", "--collect-only", "--dist")
)


class Unknown(Exception):
    """A command, an option or a target that there is not."""


def check(words: Sequence[str]) -> None:
    """Look a command up. Raises Unknown."""
    while words and (words[0] in OF_SHELL or re.fullmatch(r"\w+=.*", words[0])):  # VARIABLE=value before the command
        words = words[1:]
    if not words:
        return
    program = words[0].rpartition("/")[2]
    if program in _CHECKS:
        _CHECKS[program](list(words[1:]))
    elif program not in ELSEWHERE:
        raise Unknown(f"no such program: {words[0]}")


def _hil(words: list[str]) -> None:
    from from_code.commands import commands

    if words in (["--version"], ["--help"], ["--install-completion"]):
        return
    known = commands()
    name = next((n for n in (f"hil {' '.join(words[:2])}", f"hil {' '.join(words[:1])}") if n in known), None)
    if name is None:
        raise Unknown(f"no command hil {' '.join(words[:2])}")
    _parameters(name, known[name], words[len(name.split()) - 1 :])


def check_synopsis(line: str) -> None:
    """Look up what `hil COMMAND ARGUMENT [--option VALUE]...  what it does` names. Raises Unknown."""
    from from_code.commands import commands

    names = [name for name in commands() if f"{line} ".startswith(f"{name} ")]
    if not names:
        raise Unknown(f"no command {' '.join(line.split()[:2])}")
    known = {spelt for p in commands()[max(names, key=len)].params for spelt in (*p.opts, *p.secondary_opts)}
    for option in re.findall(r"(?<=[\s\[])--[a-z-]+", line):
        if option not in known:
            raise Unknown(f"{max(names, key=len)} has no option {option}")


def _parameters(name: str, command: Any, words: list[str]) -> None:
    options = {spelt: p for p in command.params for spelt in (*p.opts, *p.secondary_opts) if spelt.startswith("-")}
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    given, rest = 0, iter(words)
    for word in rest:
        spelt, equals, _ = word.partition("=")
        if not word.startswith("-") or word == "-":
            given += 1
        elif spelt == "--help":
            return
        elif spelt not in options:
            raise Unknown(f"{name} has no option {spelt}")
        elif not options[spelt].is_flag and not equals and next(rest, None) is None:
            raise Unknown(f"{name} {spelt} takes a value")
    least = sum(1 for p in arguments if p.required)
    if given < least or (given > len(arguments) and not any(p.nargs == -1 for p in arguments)):
        raise Unknown(f"{name} takes {least} to {len(arguments)} arguments, not {given}")


def _pytest(words: list[str]) -> None:
    from from_code.pytest_plugin import declared

    for word in words:
        option = word.partition("=")[0]
        if option.startswith("-") and option not in declared().options and option not in OF_PYTEST:
            raise Unknown(f"pytest has no option {option}")


def _robot(words: list[str]) -> None:
    from robot.errors import DataError
    from robot.run import RobotFramework

    try:
        RobotFramework().parse_arguments(words)
    except DataError as error:
        raise Unknown(f"robot: {error}") from error


def _make(words: list[str]) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.M))
    if unknown := {word for word in words if "=" not in word} - targets:
        raise Unknown(f"the Makefile has no {', '.join(sorted(unknown))}")


def _pip(words: list[str]) -> None:
    for word in words:
        for extra in re.findall(r"rnnpool-hil\[([\w,-]+)\]", word):
            if unknown := set(extra.split(",")) - _extras():
                raise Unknown(f"pyproject.toml has no extra {', '.join(sorted(unknown))}")


@cache
def _extras() -> frozenset[str]:
    return frozenset(tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"])


def _libdoc(words: list[str]) -> None:
    there = shutil.which("libdoc") or shutil.which("libdoc", path=sysconfig.get_path("scripts"))
    if words[:1] != ["hil.robot.HilLibrary"] or there is None:
        raise Unknown("libdoc is called for hil.robot.HilLibrary")


_CHECKS: dict[str, Callable[[list[str]], None]] = {
    "hil": _hil,
    "pytest": _pytest,
    "robot": _robot,
    "make": _make,
    "pip": _pip,
    "libdoc": _libdoc,
}
