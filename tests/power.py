"""Power that fails at the n-th operation on files: what was not synced is torn, and the process is no more.

A child process runs the action with the functions of `os` and `io` that open, rename, remove, sync and make replaced by
ones that count. At the n-th it ends, as by kill -9; every file that was written and not synced since loses its second
half, under whatever name it has by then. What only reads leaves the disk as it was, so of reads in a row the first
counts. Or the disk is full from the n-th moment on: each operation that needs room has two, as a disk may have no room
for a name, or for a name but not for a byte.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import resource
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

KILLED, BARE, ENDED = 137, 3, 2
COUNTED = ("open", "replace", "rename", "unlink", "remove", "mkdir", "rmdir", "fsync", "link", "symlink")
_WRITES = os.O_WRONLY | os.O_RDWR


class _Shim:
    """Counts operations below a folder."""

    def __init__(self, folder: Path, at: int, is_full: bool) -> None:
        self._folder, self._at, self._is_full = str(folder.resolve()), at, is_full
        self._pid = os.getpid()
        self._count, self._has_changed = 0, True
        self._paths: dict[int, str] = {}  # of descriptors that are written to
        self._torn: set[str] = set()
        self._os = {name: getattr(os, name) for name in COUNTED}
        self._open_stream = io.open

    def install(self) -> None:
        for name in COUNTED:
            setattr(os, name, getattr(self, f"_{name}", self._counted(name)))
        io.open = builtins.open = self._io_open  # type: ignore[assignment]

    def fail_power(self) -> None:
        """What is not on the disk is not there any more."""
        for path in self._torn:
            if os.path.isfile(path):
                os.truncate(path, os.path.getsize(path) // 2)

    def _tick(self, path: Any, changes: bool, needs_room: bool) -> None:
        """An operation is about to be. changes: something on the disk; needs_room: and takes more of it."""
        if isinstance(path, int) or not os.path.abspath(os.fspath(path)).startswith(self._folder):
            return
        if self._is_full:
            if needs_room:
                self._fill()
            return
        is_counted = changes or self._has_changed
        self._has_changed = changes
        self._count += is_counted
        if is_counted and self._count == self._at:
            self.fail_power()
            if os.getpid() != self._pid:  # a worker's power is its parent's
                os.kill(self._pid, signal.SIGKILL)
            os._exit(KILLED)

    def _fill(self) -> None:
        """Two moments: no name can be made any more, and no file can grow any more."""
        self._count += 2
        if self._count > self._at and self._at % 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._count == self._at:  # Python ignores the signal: what writes sees EFBIG
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    def _counted(self, name: str) -> Callable[..., Any]:
        def call(path: Any, *rest: Any, **named: Any) -> Any:
            self._tick(path, True, name in ("mkdir", "link", "symlink"))
            return self._os[name](path, *rest, **named)

        return call

    def _open(self, path: Any, flags: int, *rest: Any, **named: Any) -> int:
        writes = bool(flags & _WRITES)
        self._tick(path, writes, writes)
        descriptor: int = self._os["open"](path, flags, *rest, **named)
        if writes:
            self._note(descriptor, path)
        return descriptor

    def _io_open(self, file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
        writes = any(letter in mode for letter in "wax+")
        if not isinstance(file, int):
            self._tick(file, writes, writes)
        stream = self._open_stream(file, mode, *rest, **named)
        if writes and not isinstance(file, int):
            self._note(stream.fileno(), file)
        return stream

    def _note(self, descriptor: int, path: Any) -> None:
        self._paths[descriptor] = os.path.abspath(os.fspath(path))
        self._torn.add(self._paths[descriptor])

    def _fsync(self, descriptor: int) -> None:
        self._tick(self._paths.get(descriptor, descriptor), True, False)
        self._os["fsync"](descriptor)
        self._torn.discard(self._paths.get(descriptor, ""))

    def _replace(self, old: Any, new: Any, **named: Any) -> None:
        self._tick(new, True, True)
        self._os["replace"](old, new, **named)
        before, after = (os.path.abspath(os.fspath(path)) for path in (old, new))
        self._torn = {after + path[len(before) :] if path.startswith(before) else path for path in self._torn}

    _rename = _replace


def _child(act: Callable[[], object], folder: Path, at: int, is_full: bool) -> int:
    shim = _Shim(folder, at, is_full)
    if at:
        shim.install()
    from hil.errors import HilError

    try:
        act()
    except HilError as error:
        return 0 if is_full and "\n" not in str(error) else BARE
    except BaseException:
        _, room = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))  # standard error may be a file
        traceback.print_exc()
        return BARE
    shim.fail_power()
    return 1 if at and shim._count >= at else ENDED


def stopped(act: Callable[[], object], folder: Path, at: int, is_full: bool = False) -> int:
    """Run the action in a child that stops at its at-th operation below a folder, or with at = 0 undisturbed.

    Returns how it ended: KILLED, BARE by an error that is no HilError, ENDED where the action came to its end before.
    """
    child = os.fork()
    if child == 0:
        code = BARE
        try:
            code = _child(act, folder, at, is_full)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def failing(act: Callable[[], object], folder: Path, is_full: bool = False) -> Iterator[int]:
    """Run the action in a child for each moment, from the first operation to beyond the last; yields after each.

    Raises AssertionError where the action ends by anything but power or, with a full disk, an error of one line.
    """
    for at in range(1, 10_000):
        code = stopped(act, folder, at, is_full)
        assert code != BARE, f"operation {at}"
        yield at
        if code == ENDED:
            return
