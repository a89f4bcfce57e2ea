"""Where Renode and pyrenode3 are on this machine, or the commands that get them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hil.errors import HilError

VERSION = "1.16.1"
LOCATIONS = ("PYRENODE_BIN", "PYRENODE_PKG", "PYRENODE_BUILD_DIR")  # pyrenode3 takes one of them
RUNTIME = "PYRENODE_RUNTIME"
MONO, DOTNET = "mono", "coreclr"
_RELEASE = f"https://github.com/renode/renode/releases/download/v{VERSION}"
GET_RENODE = (
    f"wget {_RELEASE}/renode-{VERSION}.linux-portable-dotnet.tar.gz && mkdir -p ~/renode && "
    f"tar xf renode-{VERSION}.linux-portable-dotnet.tar.gz -C ~/renode --strip-components=1 && "
    f"export PYRENODE_BIN=~/renode/renode {RUNTIME}={DOTNET}"
)
GET_PYRENODE3 = f"{sys.executable} -m pip install 'pyrenode3 @ git+https://github.com/antmicro/pyrenode3.git'"
GET_MONO = "apt-get install -y mono-complete"


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

    Raises RenodeMissingError with the exact commands, all of them, where there is none or no pyrenode3 to run it with.
    """
    if importlib.util.find_spec("pyrenode3") is not None:
        return _renode(environment)
    package = "target renode needs the Python package pyrenode3"
    try:
        _renode(environment)
    except RenodeMissingError as gap:
        raise RenodeMissingError(f"{package}, and {gap.what}", f"{GET_PYRENODE3} && {gap.remedy}") from None
    raise RenodeMissingError(package, GET_PYRENODE3)


def _renode(environment: Mapping[str, str]) -> Installation:
    named = [variable for variable in LOCATIONS if environment.get(variable)]
    if len(named) > 1:
        raise RenodeMissingError(f"{' and '.join(named)} are set, pyrenode3 takes one", f"unset {' '.join(named[1:])}")
    installation = _named(named[0], environment) if named else _on_path(environment)
    if installation.runtime == MONO and shutil.which("mono", path=environment.get("PATH")) is None:
        raise RenodeMissingError("this Renode runs on Mono, which is not installed", GET_MONO)
    return installation


def _named(variable: str, environment: Mapping[str, str]) -> Installation:
    path = Path(environment[variable])
    if not path.exists():
        raise RenodeMissingError(f"{variable} is {path}, which does not exist", GET_RENODE)
    default = DOTNET if variable == "PYRENODE_BIN" else MONO  # pyrenode3 runs portable binaries on .NET alone
    return Installation(variable, path, environment.get(RUNTIME, default))


def _on_path(environment: Mapping[str, str]) -> Installation:
    found = shutil.which("renode", path=environment.get("PATH"))
    if found is None:
        raise RenodeMissingError(f"Renode {VERSION} is neither on the PATH nor named by PYRENODE_BIN", GET_RENODE)
    program = Path(found).resolve()
    if (program.parent / "output" / "bin" / "Release" / "Renode.exe").exists():
        return Installation("PYRENODE_BUILD_DIR", program.parent, environment.get(RUNTIME, MONO))
    with program.open("rb") as file:
        is_script = file.read(2) == b"#!"
    if is_script:  # the distribution's package, in /opt/renode, where pyrenode3 looks by itself
        return Installation(None, None, environment.get(RUNTIME, MONO))
    return Installation("PYRENODE_BIN", program, environment.get(RUNTIME, DOTNET))
