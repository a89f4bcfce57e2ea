"""Where the parts that are not Python lie, in a checkout and in an installation, and where outputs go."""

from __future__ import annotations

import shutil
from fnmatch import fnmatch
from importlib.resources import files
from pathlib import Path

from hil.errors import HilError

BUILD = Path("build")  # of whoever runs the bench: under the current directory
_SOURCES = ("CMakeLists.txt", "CMakePresets.json", "firmware_src", "platforms")
_NOT_FIRMWARE = ("__pycache__", "beside.cmake", "calibration", "camera", "chips", "limits.toml", "renode")


def source_root() -> Path:
    """The folder that holds CMakeLists.txt, CMakePresets.json, firmware_src/ and platforms/; nothing is written there.

    The wheel carries it as hil/_data; in a checkout, and in an editable installation of one, it is the checkout.
    Raises HilError where neither is there.
    """
    package = Path(str(files("hil")))
    for folder in (package / "_data", package.parent):
        if (folder / "CMakeLists.txt").is_file() and (folder / "firmware_src").is_dir():
            return folder
    raise HilError(
        f"the installation in {package} lacks the firmware's sources and boards (hil/_data): install rnnpool-hil again"
    )


def is_installed() -> bool:
    """Whether the package runs from an installation, which nothing may be written into, and not from a checkout."""
    return source_root().name == "_data"


def platforms() -> Path:
    """The folder with a folder a board."""
    return source_root() / "platforms"


def copy_sources(directory: Path, without: tuple[str, ...] = _NOT_FIRMWARE) -> None:
    """Copy what CMake builds the firmware of into a new or empty directory: no boards, no files named as in `without`.

    The copies can be written and deleted, also where the installation is read-only.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for name in _SOURCES:
        _copy(source_root() / name, directory / name, without)


def _copy(source: Path, destination: Path, without: tuple[str, ...]) -> None:
    if not source.is_dir():
        shutil.copyfile(source, destination)
        return
    destination.mkdir()
    for child in source.iterdir():
        if not any(fnmatch(child.name, pattern) for pattern in without) and not (child / "board.toml").exists():
            _copy(child, destination / child.name, without)
