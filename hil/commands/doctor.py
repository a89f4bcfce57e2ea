"""`hil doctor`: what this machine can do, and the command that mends each gap."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from hil import board as boards
from hil import caches
from hil.commands.console import console, errors, leave, paragraph
from hil.commands.options import DEFAULT_BOARD
from hil.errors import HilError
from hil.firmware.cmake import APT
from hil.firmware.programs import CMAKE, INSTALL, NINJA, MissingToolError
from hil.firmware.toolchain import HOST_INSTALL, Toolchain, find_host_toolchain, find_toolchain
from hil.firmware.trial import configure_trial
from hil.paths import platforms
from hil.targets import ports
from hil.targets.pyrenode import release
from hil.targets.pyrenode.find import RenodeMissingError
from hil.version import described

NATIVE = "native"
REINSTALL = f"{sys.executable} -m pip install --force-reinstall rnnpool-hil"
UNICORN = "2.1.4"  # the block hook uses private names of its Python binding: no other version is known to work
BOARD_COMPILER, HOST_COMPILER = "compiler for the board", "compiler for this machine"
LIBRARIES = ("torch", "numpy", "numba", "unicorn", "capstone", "pyelftools", "cobs", "pyserial", "safetensors")
PROBES = (
    ("pyocd", f"{sys.executable} -m pip install pyocd"),
    ("openocd", f"{APT} openocd"),
    ("st-flash", f"{APT} stlink-tools"),
)


@dataclass(frozen=True)
class Finding:
    """One thing that is here or not. is_needed: `make demo` does not work without it."""

    name: str
    is_ok: bool
    found: str
    remedy: str
    is_needed: bool = True


def doctor() -> None:
    """Show what is installed, try which targets work here, and name the command that mends each gap."""
    with errors.status("looking, and trying the targets ..."):
        findings = examine()
    console.print(findings_table(findings))
    for remedy in remedies(findings):
        console.print(paragraph(remedy), soft_wrap=True, highlight=False, markup=False)
    leave(finding.is_ok or not finding.is_needed for finding in findings)


def findings_table(findings: Sequence[Finding]) -> Table:
    """What `hil doctor` found."""
    table = Table("", "what", "found", box=box.SIMPLE_HEAD)
    for finding in findings:
        lack = Text("missing", style="red") if finding.is_needed else Text("optional", style="yellow")
        table.add_row(Text("ok", style="green") if finding.is_ok else lack, finding.name, finding.found)
    return table


def remedies(findings: Sequence[Finding]) -> list[str]:
    """The command that mends each gap, a line each, to be copied whole: no table may wrap them."""
    gaps = [finding for finding in findings if not finding.is_ok]
    return [f"{gap.name}{'' if gap.is_needed else ', optional'}:\n    {gap.remedy}" for gap in gaps]


def examine() -> list[Finding]:
    """Everything worth knowing about this machine, targets last."""
    tools = [
        _compiler(BOARD_COMPILER, find_toolchain, INSTALL),
        replace(_compiler(HOST_COMPILER, find_host_toolchain, HOST_INSTALL), is_needed=False),
        *(_program(tool.program, tool.path) for tool in (CMAKE, NINJA)),
    ]
    libraries = [_library(name) for name in LIBRARIES]
    places = [_sources(), _cache()]
    targets = [*_targets(tools, libraries, places), _renode(), _serial()]
    return [_bench(), _python(), *tools, *libraries, _robot(), *map(_probe, PROBES), *places, *targets]


def _bench() -> Finding:
    return Finding("rnnpool-hil", True, described(), "")


def _python() -> Finding:
    return Finding("python", sys.version_info >= (3, 11), platform.python_version(), f"{APT} python3.11-venv")


def _compiler(name: str, find: Callable[[], Toolchain], remedy: str) -> Finding:
    try:
        toolchain = find()
        return Finding(name, True, f"{toolchain.compiler}, {toolchain.program}", remedy)
    except MissingToolError as error:
        return Finding(name, False, str(error).rpartition(": ")[0], remedy)


def _program(name: str, path: Path | None) -> Finding:
    if path is None:
        return Finding(name, False, "not found", INSTALL)
    lines = subprocess.run([path, "--version"], capture_output=True, text=True).stdout.splitlines()
    return Finding(name, True, lines[0] if lines else str(path), INSTALL)


def _library(name: str) -> Finding:
    remedy = f"{sys.executable} -m pip install {f'unicorn=={UNICORN}' if name == 'unicorn' else name}"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, "not installed", remedy)
    is_right = name != "unicorn" or version == UNICORN
    return Finding(name, is_right, version if is_right else f"{version}, needs {UNICORN}", remedy)


def _sources() -> Finding:
    """The firmware's sources and the boards, of the checkout or of the wheel."""
    try:
        found = boards.names()
        return Finding("boards", bool(found), f"{', '.join(found) or 'none'} in {platforms()}", REINSTALL)
    except HilError as error:
        return Finding("boards", False, str(error), REINSTALL)


def _cache() -> Finding:
    """Where machine code and firmware are kept."""
    try:
        return Finding("cache", True, str(caches.root()), "")
    except HilError as error:
        return Finding("cache", False, str(error), f"export {caches.VARIABLE}=DIR")


def _probe(probe: tuple[str, str]) -> Finding:
    program, command = probe
    path = shutil.which(program)
    return Finding(f"{program} (flashes boards)", path is not None, path or "not found", command, is_needed=False)


def _robot() -> Finding:
    return replace(_library("robotframework"), name="robotframework (robot_tests/)")


def _serial() -> Finding:
    found = ports.ports()
    state = f"{len(found)} port{'s' * (len(found) != 1)}; hil boards lists them" if found else "no USB port plugged in"
    return Finding("target serial", bool(found), state, "docs/boards.md: wiring, and a board without a board", False)


def _renode() -> Finding:
    """Starts it, asks which it is, and has it boot a program."""
    from hil.targets.pyrenode import check

    finding = Finding("target renode", False, "", release.INSTALL, is_needed=False)
    try:
        return replace(finding, is_ok=True, found=check.check(), remedy="")
    except RenodeMissingError as gap:
        return replace(finding, found=gap.what, remedy=gap.remedy)
    except HilError as error:
        return replace(finding, found=str(error))


def _targets(tools: list[Finding], libraries: list[Finding], places: list[Finding]) -> list[Finding]:
    """Which targets work here: those whose needs are all met, and that then do what is tried."""
    found = {finding.name: finding for finding in (*tools, *libraries, *places)}
    builds = [CMAKE.program, NINJA.program, "boards", "cache"]
    needs = {
        "target sim": [BOARD_COMPILER, *builds, "unicorn", "numba", "capstone", "pyelftools"],
        "target native": [HOST_COMPILER, *builds],
    }
    trials: dict[str, Callable[[], None]] = {"target sim": _try_sim, "target native": partial(configure_trial, NATIVE)}
    return [_target(name, [found[need] for need in wanted], trials[name]) for name, wanted in needs.items()]


def _target(name: str, needs: list[Finding], trial: Callable[[], None]) -> Finding:
    gaps = [need for need in needs if not need.is_ok]
    if gaps:
        return Finding(
            name,
            False,
            f"lacks {', '.join(gap.name for gap in gaps)}",
            " && ".join(dict.fromkeys(g.remedy for g in gaps)),
            is_needed=any(gap.is_needed for gap in gaps),
        )
    try:
        trial()
    except (HilError, OSError) as error:
        return Finding(name, False, "has all it needs, but does not work", str(error))
    return Finding(name, True, "works: tried", "")


def _try_sim() -> None:
    """Configure the firmware for a board and boot a program on it."""
    from hil.targets.sim.trial import boot_trial

    configure_trial(DEFAULT_BOARD)
    boot_trial(boards.load(DEFAULT_BOARD))
