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
        if not _leads_somewhere(path):
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


def _leads_somewhere(path: Path) -> bool:
    """Whether there is anything where a path leads; links that lead in a circle are an OSError."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _is_there(path: Path) -> bool:
    """Whether there is anything of that name; a name that cannot be is an OSError."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
