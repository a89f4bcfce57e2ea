"""Files written as a whole or not at all, and what the operating system's errors mean in words."""

from __future__ import annotations

import errno
import os
import select
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from time import monotonic, sleep
from typing import IO

from hil.errors import HilError
from hil.leftovers import own_name, sweep

PIPE_S = 10.0  # that somebody at a pipe's other end may take
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)  # no pipe is waited for as it is opened
_STANDARD = {"-": 1, "/dev/stdout": 1, "/dev/fd/1": 1, "/proc/self/fd/1": 1,
             "/dev/stderr": 2, "/dev/fd/2": 2, "/proc/self/fd/2": 2}  # fmt: skip
_SYSTEM = ("/dev/", "/proc/", "/sys/")  # nothing is ever created, replaced or emptied there
_SHARED_MEMORY = "/dev/shm/"  # but this is a folder like others


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that appears under its name when all of it is written; what was there stays until then.

    A link is followed. "-", /dev/stdout and /dev/stderr are this process's own; into a FIFO or a character device the
    bytes are written once they are all there. Raises HilError where that cannot be done, where nobody takes them from a
    FIFO within PIPE_S, and leaves nothing behind.
    """
    try:
        number, is_plain = _STANDARD.get(str(path)), _is_plain(path)
        if number is None and is_plain:
            with _replacing(path) as file:
                yield file
            return
        content = BytesIO()
        yield content
        _pour(path, number, content.getvalue())
    except OSError as error:
        raise HilError(f"cannot write {path}: {reason(error)}") from error


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file as `writing` does."""
    with writing(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write a file as `writing` does, in UTF-8; what is no text (a file name's odd bytes) as an escape."""
    write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def is_standard_output(path: Path | None) -> bool:
    """Whether a path means this process's standard output: then nothing else should be printed there."""
    return path is not None and _STANDARD.get(str(path)) == 1


def make_folder(path: Path) -> None:
    """Make a folder and those above it. Raises HilError where that is not possible."""
    with writing_below(path, "make the folder"):
        path.mkdir(parents=True, exist_ok=True)


@contextmanager
def writing_below(path: Path, what: str = "write") -> Iterator[None]:
    """Turns the operating system's errors about a folder into a HilError that names the folder."""
    try:
        yield
    except OSError as error:
        raise HilError(f"cannot {what} {path}: {reason(error)}") from error
    except RecursionError as error:  # of Path.mkdir, which goes up by calling itself
        raise HilError(f"cannot {what} {path}: a folder in a thousand folders is too deep") from error


def reason(error: BaseException) -> str:
    """What an error of the operating system says, in a line; of shutil's, which are several, the first."""
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list) and error.args[0]:
        return str(error.args[0][0][-1])
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _is_plain(path: Path) -> bool:
    """Whether a path is, or can become, a regular file that may be replaced. Raises OSError for folders and disks."""
    names = os.path.abspath(path), os.path.realpath(path)  # a link may lead there, or from there
    is_system = any(name.startswith(_SYSTEM) and not name.startswith(_SHARED_MEMORY) for name in names)
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        if is_system:
            raise
        return True
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(21, "it is a folder: name a file in it")
    if stat.S_ISBLK(mode):
        raise PermissionError(1, "it is a disk: name a file")
    return stat.S_ISREG(mode) and not is_system


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file beside the one that is meant, renamed over it at the end."""
    target = Path(os.path.realpath(path))  # a link stays a link
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(13, "Permission denied")
    make_folder(target.parent)
    sweep(target.parent, ".hil-*.partial")
    partial = target.with_name(own_name(".hil", ".partial"))
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        with suppress(FileNotFoundError):
            partial.chmod(stat.S_IMODE(target.stat().st_mode))
        partial.replace(target)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _pour(path: Path, number: int | None, data: bytes) -> None:
    """Write into what is there already: neither created nor emptied."""
    if number is not None:
        (sys.stdout if number == 1 else sys.stderr).flush()
        with os.fdopen(os.dup(number), "wb") as file:
            file.write(data)
        return
    deadline = monotonic() + PIPE_S
    descriptor = _other_end(path, deadline)
    try:
        while data:
            if _AT_ONCE and not select.select([], [descriptor], [], PIPE_S)[1]:
                raise TimeoutError(errno.ETIMEDOUT, f"nobody reads from it for {PIPE_S:g} s")
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)


def _other_end(path: Path, deadline: float) -> int:
    """Opened to write into, without waiting for ever for somebody who reads from it."""
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_APPEND | _AT_ONCE)
        except OSError as error:
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(os.stat(path).st_mode):
                raise
            if monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, f"nobody reads from it for {PIPE_S:g} s") from error
            sleep(0.05)
