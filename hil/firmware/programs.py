"""Programs that a build starts: on the PATH, among this environment's scripts, or inside a package from PyPI."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from hil.errors import HilError

FLAGS = ("CC", "CFLAGS", "CPPFLAGS", "ASMFLAGS", "LDFLAGS")  # of the environment, which CMake takes up
_UNSTAMPED = re.compile(
    r"CPATH|(C|CPLUS|OBJC)_INCLUDE_PATH|LIBRARY_PATH|COMPILER_PATH|GCC_\w+|CCC_OVERRIDE_OPTIONS|LD_RUN_PATH"
    r"|DEPENDENCIES_OUTPUT|SUNPRO_DEPENDENCIES|SOURCE_DATE_EPOCH|CMAKE_\w+|NINJA_STATUS"
)

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
    """This process's environment for a build, with the programs' folders at the end of the PATH.

    Without what would add headers, libraries or programs to it that no stamp knows: FLAGS alone do.
    """
    folders = [os.environ.get("PATH", os.defpath), *(str(program.parent) for program in programs)]
    known = {name: value for name, value in os.environ.items() if not _UNSTAMPED.fullmatch(name)}
    return known | {"PATH": os.pathsep.join(folders)}


def flags() -> dict[str, str]:
    """What the environment says of FLAGS, all of which go into a firmware's stamp."""
    return {name: os.environ[name] for name in FLAGS if name in os.environ}
