"""The folder for files that can be made again: the user's own cache, else a private folder for temporary files."""

from __future__ import annotations

import atexit
import getpass
import logging
import os
import shutil
import stat
import tempfile
from functools import cache
from pathlib import Path

from platformdirs import user_cache_path

from hil.errors import HilError
from hil.files import reason

log = logging.getLogger(__name__)

NAME = "rnnpool-hil"
VARIABLE = "HIL_CACHE"  # names another folder
IS_WINDOWS = os.name == "nt"


def folder(*parts: str) -> Path:
    """A folder of the cache, made where it is missing. Raises HilError where no folder can be written at all."""
    path = root().joinpath(*parts)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HilError(f"cannot make the folder {path}: {reason(error)}; set {VARIABLE} to one of your own") from error
    return path


def forget_oldest(parent: Path, kept: int) -> None:
    """Delete all but the newest folders in a folder of the cache; one that is in use is made again.

    Hidden ones are those that somebody is just filling.
    """

    def when(path: Path) -> float:
        try:
            return path.stat().st_mtime
        except OSError:
            return 0.0

    for path in sorted((one for one in parent.glob("[!.]*") if one.is_dir()), key=when)[:-kept]:
        shutil.rmtree(path, ignore_errors=True)


def root() -> Path:
    """The cache's folder: $HIL_CACHE, the user's cache folder, or one among the temporary files that only he can enter.

    The user's is not taken where it belongs to another user: `sudo hil` with the user's HOME would leave files there
    that he cannot write.
    """
    return _root(os.environ.get(VARIABLE), os.environ.get("HOME"), os.environ.get("XDG_CACHE_HOME"))


@cache
def _root(wanted: str | None, *_: str | None) -> Path:
    """Looked for once for each setting of the environment."""
    if wanted:
        path = Path(wanted).absolute()
        if not can_write(path):
            raise HilError(f"{VARIABLE}={wanted} cannot be written: set it to a folder of your own, or unset it")
        return path
    path = user_cache_path(NAME, appauthor=False)
    # without a home it is "~/.cache"
    return path if path.is_absolute() and _is_beneath_ours(path) and can_write(path) else _temporary()


def _is_beneath_ours(path: Path) -> bool:
    """Whether what is there of the path already is the user's own."""
    try:
        return _is_ours(next(one for one in (path, *path.parents) if one.exists()).stat())
    except OSError:
        return False


def can_write(path: Path) -> bool:
    """Whether files can be made in the folder, which is made where it is missing."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return True
    except OSError as error:
        log.debug("no cache in %s: %s", path, reason(error))
        return False


def _temporary() -> Path:
    """The same folder for every run of a user; another one where somebody else put something in its place."""
    try:
        path = Path(tempfile.gettempdir()) / f"{NAME}-{_user()}"
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            found = path.lstat()
            if not stat.S_ISDIR(found.st_mode) or not _is_ours(found) or _is_open_to_others(found):
                path = Path(tempfile.mkdtemp(prefix=f"{NAME}-"))
                atexit.register(shutil.rmtree, path, ignore_errors=True)
        return path
    except OSError as error:
        raise HilError(f"no folder for temporary files can be written ({reason(error)}): set {VARIABLE}") from error


def _user() -> str:
    return str(os.geteuid()) if hasattr(os, "geteuid") else getpass.getuser()


def _is_ours(found: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or found.st_uid == os.geteuid()


def _is_open_to_others(found: os.stat_result) -> bool:
    return not IS_WINDOWS and bool(found.st_mode & 0o077)
