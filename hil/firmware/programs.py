"""Programs that a build starts: on the PATH, among this environment's scripts, or inside a package from PyPI."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from hil.errors import HilError

INSTALL = "pip install 'rnnpool-hil[toolchain]'"


class MissingToolError(HilError):
    """A program that a build needs is not installed; the message has the command that installs it."""


@dataclass(frozen=True)
class Tool:
    """A program that a build needs; package: of PyPI, which has it too, and where in it."""

    program: str
    package: str
    place: str

    @property
    def path(self) -> Path | None:
        """Where it is; None where it is not installed."""
        return on_path(self.program) or in_package(self.package, self.place)

    @property
    def is_installed(self) -> bool:
        return self.path is not None

    def find(self, purpose: str) -> Path:
        """Where it is. Raises MissingToolError, with the command that installs it."""
        if self.path is None:
            raise MissingToolError(f"{purpose} needs {self.program}, which is missing: {INSTALL}")
        return self.path


CMAKE = Tool("cmake", "cmake", "data/bin/cmake")
NINJA = Tool("ninja", "ninja", "data/bin/ninja")


def on_path(program: str) -> Path | None:
    """A program on the PATH, or one that pip put beside this Python, which need not be on the PATH."""
    found = shutil.which(program) or shutil.which(program, path=sysconfig.get_path("scripts"))
    return Path(found) if found else None


def in_package(package: str, place: str) -> Path | None:
    """A program inside an installed Python package; None where package or program is not there."""
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        found = shutil.which(Path(folder) / place)
        if found:
            return Path(found)
    return None


def environment(*programs: Path) -> dict[str, str]:
    """This process's environment, with the programs' folders at the end of the PATH."""
    folders = [os.environ.get("PATH", os.defpath), *(str(program.parent) for program in programs)]
    return {**os.environ, "PATH": os.pathsep.join(folders)}
