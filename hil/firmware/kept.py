"""Compiled firmware kept in the user's cache: the same sources, compiler and flags are not compiled twice."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from hil import caches
from hil.errors import HilError
from hil.firmware.programs import flags

log = logging.getLogger(__name__)

KEPT = 40  # builds; the oldest go
FORMAT = "3"  # of a build that is kept: of an environment without what no stamp knows
_SUMS = "sha256sums"


def key_of(build_id: str, preset: str, kernels: str, compiler: str) -> str:
    """What tells a build from all others. build_id: of the sources, the board's too; compiler: the program's name."""
    program = shutil.which(compiler) or compiler
    version = subprocess.run([program, "--version"], capture_output=True, text=True, errors="replace").stdout
    host = platform.node() if preset == "native" else ""  # whose instructions a native build is made of
    said = (f"{name}={value}" for name, value in flags().items())
    text = "\0".join((FORMAT, build_id, preset, kernels, program, version, host, *said))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:24]


def take(key: str, destination: Path) -> bool:
    """Copy what is kept of a build to where it is wanted. Returns whether it was there, and whole."""
    try:
        source = caches.folder("firmware") / key
        if not source.is_dir():
            return False
        shutil.copytree(source, destination)
        sums = (destination / _SUMS).read_text(encoding="utf-8")
        (destination / _SUMS).unlink()
        if sums == _sums(destination):
            os.utime(source)
            return True
        log.info("the firmware kept in %s is damaged: it is compiled again", source)
        shutil.rmtree(source, ignore_errors=True)
    except (OSError, UnicodeDecodeError, HilError) as error:
        log.debug("no firmware from the cache: %s", error)
    shutil.rmtree(destination, ignore_errors=True)
    return False


def keep(key: str, made: Path) -> None:
    """Keep a finished build. A cache that cannot be written costs time and nothing else."""
    with suppress(OSError, HilError):
        folder = caches.folder("firmware")
        with tempfile.TemporaryDirectory(dir=folder, prefix=".", ignore_cleanup_errors=True) as scratch:
            copy = Path(scratch) / "new"
            shutil.copytree(made, copy)
            (copy / _SUMS).write_text(_sums(made), encoding="utf-8")
            copy.rename(folder / key)  # another process may have been faster: then this one's copy goes
        caches.forget_oldest(folder, KEPT)


def _sums(folder: Path) -> str:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != _SUMS)
    lines = (f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder).as_posix()}\n" for p in paths)
    return "".join(lines)
