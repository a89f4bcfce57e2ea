"""Where the parts that are not Python lie, in a checkout and in an installation, and where outputs go."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from hil.errors import HilError

BUILD = Path("build")  # of whoever runs the bench: under the current directory


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


def firmware_sources() -> Path:
    """The folder of the firmware's C sources."""
    return source_root() / "firmware_src"


def platforms() -> Path:
    """The folder with a folder a board."""
    return source_root() / "platforms"
