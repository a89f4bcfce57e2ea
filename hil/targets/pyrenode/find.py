"""Where Renode and pyrenode3 are on this machine, or the one command that gets them."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hil.errors import HilError
from hil.targets.pyrenode import release
from hil.targets.pyrenode.release import GET_MONO, INSTALL, VERSION

LOCATIONS = ("PYRENODE_BIN", "PYRENODE_PKG", "PYRENODE_BUILD_DIR")  # pyrenode3 takes one of them
RUNTIME = "PYRENODE_RUNTIME"
MONO, DOTNET = "mono", "coreclr"


class RenodeMissingError(HilError):
    """Renode cannot be used here. what: why not; remedy: the command that helps."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what, self.remedy = what, remedy
        super().__init__(f"{what}: {remedy}")


@dataclass(frozen=True)
class Installation:
    """What pyrenode3 is to be told. variable, path: None where it finds an installed package by itself."""

    variable: str | None
    path: Path | None
    runtime: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables to set, beside those that are set already."""
        settings = {RUNTIME: self.runtime}
        return settings if self.variable is None else settings | {self.variable: str(self.path)}


def find(environment: Mapping[str, str] = os.environ) -> Installation:
    """The Renode to use: the one that PYRENODE_* names, else the one on the PATH.

    Looked for where a variable of pyrenode3 says, where `hil renode install` puts it, and on the PATH. Raises
    RenodeMissingError with the command that helps where there is none or no pyrenode3 to run it with.
    """
    installation = _renode(environment)
    if importlib.util.find_spec("pyrenode3") is None:
        raise RenodeMissingError("target renode needs the Python package pyrenode3", INSTALL)
    return installation


def _renode(environment: Mapping[str, str]) -> Installation:
    named = [variable for variable in LOCATIONS if environment.get(variable)]
    if len(named) > 1:
        raise RenodeMissingError(f"{' and '.join(named)} are set, pyrenode3 takes one", f"unset {' '.join(named[1:])}")
    if named:
        installation = _named(named[0], environment)
    else:
        ours = release.home() / "renode"
        installation = at(ours, environment) if ours.exists() else _on_path(environment)
    if installation.runtime == MONO and shutil.which("mono", path=environment.get("PATH")) is None:
        raise RenodeMissingError("this Renode runs on Mono, which is not installed", GET_MONO)
    return installation


def _named(variable: str, environment: Mapping[str, str]) -> Installation:
    path = Path(environment[variable])
    if not path.exists():
        raise RenodeMissingError(f"{variable} is {path}, which does not exist", f"{INSTALL}, and unset {variable}")
    default = DOTNET if variable == "PYRENODE_BIN" else MONO  # pyrenode3 runs portable binaries on .NET alone
    return Installation(variable, path, environment.get(RUNTIME, default))


def _on_path(environment: Mapping[str, str]) -> Installation:
    found = shutil.which("renode", path=environment.get("PATH"))
    if found is None:
        raise RenodeMissingError(f"target renode needs Renode {VERSION}, which is not here", INSTALL)
    return at(Path(found).resolve(), environment)


def at(program: Path, environment: Mapping[str, str] = os.environ) -> Installation:
    """The Renode of which this is the program `renode`."""
    if (program.parent / "output" / "bin" / "Release" / "Renode.exe").exists():
        return Installation("PYRENODE_BUILD_DIR", program.parent, environment.get(RUNTIME, MONO))
    with program.open("rb") as file:
        is_script = file.read(2) == b"#!"
    if is_script:  # the distribution's package, in /opt/renode, where pyrenode3 looks by itself
        return Installation(None, None, environment.get(RUNTIME, MONO))
    return Installation("PYRENODE_BIN", program, environment.get(RUNTIME, DOTNET))
