"""Paths that a command is to write, tried while its options are read: not after minutes of work."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from hil.files import writing_below

STANDARD_OUTPUT = "-"


def file(path: Path | None) -> Path | None:
    """The path, where a file can be written there; a pipe or a device will do. Raises HilError, with the reason."""
    if path is None or str(path) == STANDARD_OUTPUT:
        return path
    with writing_below(path):
        if not _is_there(path, behind_links=True):
            _try(Path(os.path.realpath(path)).parent)
        elif path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder, name a file in it")
        elif not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return path


def folder(path: Path | None) -> Path | None:
    """The path, where files can be written in a folder of that name. Raises HilError, with the reason."""
    if path is not None:
        with writing_below(path):
            _try(path)
    return path


def _try(wanted: Path) -> None:
    """Make a nameless file in the folder that is wanted, or in the one above that is there already."""
    import tempfile  # a tenth of what `hil --help` takes

    there = next(one for one in (wanted, *wanted.absolute().parents) if _is_there(one))
    with tempfile.TemporaryFile(dir=there):
        pass


def _is_there(path: Path, *, behind_links: bool = False) -> bool:
    """Whether there is anything of that name, or where it leads; a name that cannot be, and a circle, is an OSError."""
    try:
        path.stat(follow_symlinks=behind_links)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
