"""One run at a time on a board: a lock file for it, held by the process that uses the board."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

from hil.targets.base import TargetError

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1


class BoardInUseError(TargetError):
    """Somebody else has had the board for longer than one was ready to wait."""


class BoardLock:
    """The right to use a board. `acquire` waits until whoever has it is done, however they end.

    identity: what tells the board from all others, such as its USB serial number: two names of one port must not give
    two locks. The file stays; who holds it is decided by flock(), which ends with the process.
    """

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.path = _folder() / f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}.lock"
        self._descriptor: int | None = None

    @property
    def is_held(self) -> bool:
        return self._descriptor is not None

    def acquire(self, wait_s: float) -> None:
        """Raises BoardInUseError, which names the holder, when it has not come free within wait_s."""
        if self.is_held:
            return
        descriptor = _open(self.path)
        try:
            self._wait(descriptor, wait_s)
        except BaseException:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        holder = {"pid": os.getpid(), "command": " ".join(sys.argv), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.ftruncate(descriptor, 0)
            os.close(descriptor)

    def is_free(self) -> bool:
        """Whether nobody holds it at this moment."""
        if not self.path.exists():
            return True
        descriptor = _open(self.path)
        try:
            return _try_to_lock(descriptor)
        finally:
            os.close(descriptor)

    def holder(self) -> str:
        """Who has the board, in words; empty where nobody says."""
        try:
            told = json.loads(self.path.read_text())
            return f"process {told['pid']} ({told['command']}) since {told['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _wait(self, descriptor: int, wait_s: float) -> None:
        deadline = time.monotonic() + wait_s
        is_announced = False
        while not _try_to_lock(descriptor):
            holder = self.holder() or "another process"
            if time.monotonic() >= deadline:
                raise BoardInUseError(
                    f"{self.identity} is in use by {holder}, for longer than the {wait_s:g} s that this run may wait"
                )
            if not is_announced:
                log.warning("%s is in use by %s: waiting for it", self.identity, holder)
                is_announced = True
            time.sleep(LOOK_EVERY_S)


def _try_to_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    return True


def _folder() -> Path:
    """Where all users' lock files lie; writable by everyone, as the temporary folder around it is."""
    folder = Path(tempfile.gettempdir()) / "rnnpool-hil-boards"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o777)
        folder.chmod(0o1777)  # mkdir's mode is cut by the umask
    return folder


def _open(path: Path) -> int:
    """A descriptor of the lock file. Without O_CREAT first: the kernel refuses that for another user's file in /tmp."""
    try:
        try:
            return os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            os.fchmod(descriptor, 0o666)
            return descriptor
    except OSError as error:
        raise TargetError(f"cannot open the lock file {path}: {error.strerror}; remove it and try again") from None
