"""Paths that a command is to write, tried while its options are read: not after minutes of work."""

from __future__ import annotations

import os
from pathlib import Path

from hil.errors import HilError

STANDARD_OUTPUT = "-"


def file(path: Path | None) -> Path | None:
    """The path, where a file can be written there; a pipe or a device will do. Raises HilError, with the reason."""
    if path is None or str(path) == STANDARD_OUTPUT:
        return path
    if path.is_dir():
        raise HilError(f"cannot write {path}: it is a folder, name a file in it")
    if not path.exists():
        _try(path, path.parent)
    elif not os.access(path, os.W_OK):
        raise HilError(f"cannot write {path}: Permission denied")
    return path


def folder(path: Path | None) -> Path | None:
    """The path, where files can be written in a folder of that name. Raises HilError, with the reason."""
    if path is not None:
        _try(path, path)
    return path


def _try(path: Path, wanted: Path) -> None:
    """Make a nameless file in the folder that is wanted, or in the one above that is there already."""
    import tempfile  # a tenth of what `hil --help` takes

    try:
        there = next(one for one in (wanted, *wanted.absolute().parents) if os.path.lexists(one))
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise HilError(f"cannot write {path}: {error.strerror}") from error
