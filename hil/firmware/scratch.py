"""Folders that a build works in, gone afterwards: one whose name CMake can bear, one beside the place it is for."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hil import caches
from hil.caches import can_write
from hil.errors import HilError
from hil.files import make_folder
from hil.leftovers import own_name, sweep

# Windows: home folders have spaces and any letters, and no other temporary folder is sure to be there
_PLAIN = re.compile(r"[\w ./:\\~-]+" if caches.IS_WINDOWS else r"[A-Za-z0-9_./-]+")


@contextmanager
def plain_folder() -> Iterator[Path]:
    """An empty folder without spaces, quotes, semicolons or backslashes in its name.

    CMake's lists end at a semicolon, and ninja and compilers each have their own idea of quotes: so neither is shown
    where the package is installed or where the firmware is wanted. Raises HilError where there is no such folder.
    """
    parent = _plain_parent()
    sweep(parent, "hil-build-*")
    folder = parent / own_name("hil-build")
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _plain_parent() -> Path:
    for candidate in (Path(tempfile.gettempdir()), caches.root(), Path("/tmp"), Path("/var/tmp")):
        if _PLAIN.fullmatch(str(candidate)) and can_write(candidate):
            return candidate
    raise HilError(
        f"CMake needs a folder to work in without spaces or other signs in its name, unlike {tempfile.gettempdir()}: "
        f"set TMPDIR or {caches.VARIABLE} to one"
    )


@contextmanager
def beside(directory: Path) -> Iterator[Path]:
    """A folder beside a directory: what is put into it can be renamed into place. One that was left goes first.

    Its name is the directory's own, so whoever asks for it must hold the directory's lock.
    """
    name = hashlib.sha256(str(directory).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    folder = directory.parent / f".hil-{name}"
    make_folder(directory.parent)
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
