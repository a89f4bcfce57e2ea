"""Processes that run Renode (worker.py), as seen from here: started when one is wanted, used again, ended in time."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import weakref
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock
from typing import Any

from hil.errors import HilError
from hil.targets.base import TargetError
from hil.targets.pyrenode import release

log = logging.getLogger(__name__)

BOOTS = 20  # in one process, which grows by some MB with each (docs/renode.md)
START_S = 300.0  # seconds of work, on a machine with nothing else to do
PATIENCE_S = 300.0  # for an answer


class Renode:
    """Renode in a process of its own, and its monitor. It ends with end(), and with this process, even a killed one.

    Raises HilError where there is no Renode or it does not start.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hil-renode-"))  # the process removes it when it ends
        self.boots = 0
        ours, theirs = socket.socketpair()
        with theirs, (self.folder / "console.txt").open("wb") as console:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hil.targets.pyrenode.worker", str(theirs.fileno()), str(self.folder)],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": str(self.folder)},
                start_new_session=True,  # so that ctrl-C is ours
            )  # fmt: skip
        self._connection: Connection[Any, Any] = Connection(ours.detach())
        self._one_at_a_time = Lock()
        self._finish = weakref.finalize(self, _end, self._process, self._connection, self.folder)
        self._answer("start", START_S)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._finish.alive and self._process.poll() is None

    def call(self, name: str, *arguments: Any) -> Any:
        """Have Emulation do something. Raises HilError where Renode refuses, TargetError where it is gone or hangs."""
        if not self._finish.alive:
            raise TargetError("Renode was ended: boot the firmware again")
        with self._one_at_a_time:
            try:
                self._connection.send((name, arguments))
            except OSError:
                self._lost(f"ended by itself before {name}")
            return self._answer(name, PATIENCE_S)

    def command(self, text: str) -> str:
        """Have the monitor execute a command. Returns what it prints; raises HilError where it refuses."""
        return str(self.call("command", text))

    @property
    def version(self) -> str:
        """ "1.16.1"."""
        return str(self.call("version"))

    def end(self) -> None:
        self._finish()

    def _answer(self, name: str, timeout_s: float) -> Any:
        try:
            if not self._connection.poll(timeout_s):
                self._lost(f"did not {name} within {timeout_s:g} s")
            is_done, value = self._connection.recv()
        except (EOFError, OSError):
            self._lost(f"ended by itself during {name}")
        if not is_done:
            raise HilError(value)
        return value

    def _lost(self, what: str) -> None:
        console = self.folder / "console.txt"
        said = console.read_text(errors="replace").strip().splitlines() if console.exists() else []
        self.end()
        last = f": {said[-1]}" if said else ""
        raise TargetError(f"Renode {what}{last}; boot the firmware again")


def _end(process: subprocess.Popen[bytes], connection: Connection[Any, Any], folder: Path) -> None:
    connection.close()
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)


class Pool:
    """The Renodes of this process that no board uses."""

    def __init__(self) -> None:
        self._idle: list[Renode] = []
        self._version: str | None = None
        self._unmodelled: frozenset[str] | None = None

    def take(self) -> Renode:
        """One that runs, a fresh one where there is none. Raises as Renode() does, and HilError for one too old."""
        while self._idle:
            renode = self._idle.pop()
            if renode.is_running:
                return renode
        renode = Renode()
        self._check(renode)
        return renode

    def _check(self, renode: Renode) -> None:
        """Of the first one: all others are of the same installation."""
        if self._version is not None:
            return
        version = renode.version
        if release.is_too_old(version):
            renode.end()
            raise HilError(f"Renode {version} is too old, {release.VERSION} is needed: {release.INSTALL}")
        if version not in release.TESTED:
            log.warning("Renode %s was not tested with this bench, %s was", version, " and ".join(release.TESTED))
        self._version = version

    def unmodelled(self) -> frozenset[str]:
        """The crashes that the Renode here lets pass, asked of it once. Raises as take() does."""
        if self._unmodelled is None:
            renode = self.take()
            self._unmodelled = renode.call("unmodelled")
            self.give_back(renode)
        return self._unmodelled

    def give_back(self, renode: Renode) -> None:
        """For the next board; one is kept, and only until it has run BOOTS boards."""
        if self._idle or renode.boots >= BOOTS or not renode.is_running:
            renode.end()
        else:
            self._idle.append(renode)


@cache
def pool() -> Pool:
    """The pool of this process."""
    return Pool()
