"""A built firmware's copy of this process's own: who builds another in its place does not change what runs here."""

from __future__ import annotations

import atexit
import os
import shutil
from contextlib import suppress
from functools import cache
from pathlib import Path

from hil import caches
from hil.errors import HilError
from hil.firmware.stamp import Stamp, is_built
from hil.leftovers import own_name, sweep

_PREFIX = "hil-run"


def own_copy(elf: Path, stamp: Stamp) -> Path:
    """The ELF in a copy of its folder, which lasts as long as this process; call it under the build's lock.

    The same content is copied once. A cache that cannot be written costs the copy: then it is the ELF itself.
    """
    with suppress(OSError, HilError):
        copy = _folder(caches.folder("running"), os.getpid()) / stamp.digest / elf.parent.name
        if not is_built(copy, copy / elf.name, stamp):
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(elf.parent, copy)
        return copy / elf.name
    return elf


@cache
def _folder(parent: Path, pid: int) -> Path:
    """Of the process with that number, as a forked one has its own."""
    sweep(parent, f"{_PREFIX}-*")
    folder = parent / own_name(_PREFIX)
    folder.mkdir(mode=0o700)
    atexit.register(_remove, folder, pid)
    return folder


def _remove(folder: Path, pid: int) -> None:
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)
