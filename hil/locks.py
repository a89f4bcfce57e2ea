"""One process at a time: locks of files in the user's own folder, and who holds them."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hil import caches
from hil.errors import HilError
from hil.files import reason, write_text

with warnings.catch_warnings():  # that a system without flock() has locks of another kind
    warnings.simplefilter("ignore")
    from filelock import FileLock, Timeout

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
FOREVER = float("inf")


class HeldError(HilError):
    """Somebody else has held a lock for longer than one was ready to wait."""


class Lock:
    """The right to use something, held by one process of this user. It ends with the process, however that ends.

    what: names it in messages and tells it from all others. The lock lies in the user's own cache folder and is opened
    without following links; who holds it is written beside it.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        digest = hashlib.sha256(what.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self.path = caches.folder("locks") / f"{digest}.lock"
        self._lock = FileLock(self.path, thread_local=False)

    @property
    def is_held(self) -> bool:
        """Whether this object holds it."""
        return self._lock.is_locked

    def acquire(self, wait_s: float = FOREVER) -> None:
        """Raises HeldError, which names the holder, where it has not come free within wait_s."""
        if self.is_held:
            return
        deadline = time.monotonic() + wait_s
        is_announced = False
        while not self._try():
            holder = self.holder() or "another process"
            if time.monotonic() >= deadline:
                raise HeldError(
                    f"{self.what} is in use by {holder}, for longer than the {wait_s:g} s that this run may wait"
                )
            if not is_announced:
                log.warning("%s is in use by %s: waiting for it", self.what, holder)
                is_announced = True
            time.sleep(LOOK_EVERY_S)
        about = {"pid": os.getpid(), "command": " ".join(sys.argv), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        with suppress(HilError):  # a full disk: the lock holds all the same
            write_text(self._holder_path, json.dumps(about))

    def release(self) -> None:
        if self.is_held:
            with suppress(OSError):
                self._holder_path.unlink(missing_ok=True)
            self._lock.release()

    def is_free(self) -> bool:
        """Whether nobody holds it at this moment."""
        if self.is_held or not self._try():
            return False
        self._lock.release()
        return True

    def holder(self) -> str:
        """Who holds it, in words; empty if unknown."""
        try:
            told = json.loads(self._holder_path.read_text(encoding="utf-8"))
            return f"process {told['pid']} ({told['command']}) since {told['since']}"
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return ""

    @property
    def _holder_path(self) -> Path:
        return self.path.with_suffix(".json")

    def _try(self) -> bool:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        except OSError as error:
            raise HilError(f"cannot lock {self.path}: {reason(error)}; remove it and try again") from error
        return True


@contextmanager
def held(what: str) -> Iterator[None]:
    """Hold a lock while the block runs; waits for its present holder."""
    lock = Lock(what)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()
