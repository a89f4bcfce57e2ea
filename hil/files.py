"""Files written as a whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from hil.errors import HilError


def write_text(path: Path, text: str) -> None:
    """Write a file by renaming a finished one over it. Raises HilError where it cannot be written."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        make_folder(path.parent)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise HilError(f"cannot write {path}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder and those above it. Raises HilError where that is not possible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HilError(f"cannot make the folder {path}: {error.strerror}") from error
