"""The process that runs Renode: python -m hil.targets.pyrenode.worker DESCRIPTOR FOLDER

Renode takes over the process it runs in: it is there for good, grows with every board, patches what happens at the
exit and speaks on the console. So it has one of its own, which obeys what comes in over a socket, and ends, with its
folder of temporary files, when the other end is closed, however that came about.
"""

from __future__ import annotations

import os
import queue
import shutil
import signal
import sys
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

from hil.errors import HilError
from hil.targets.pyrenode.emulation import Emulation

Call = tuple[str, tuple[Any, ...]]


def main(descriptor: int, folder: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process says when to end
    connection: Connection[Any, Any] = Connection(descriptor)
    calls: queue.SimpleQueue[Call] = queue.SimpleQueue()
    Thread(target=_receive, args=(connection, calls, folder), daemon=True).start()
    try:
        emulation = Emulation()
    except HilError as error:
        connection.send((False, str(error)))
        _end(folder)
    connection.send((True, None))
    while True:
        name, arguments = calls.get()
        connection.send(_obey(emulation, name, arguments))


def _receive(connection: Connection[Any, Any], calls: queue.SimpleQueue[Call], folder: str) -> None:
    while True:
        try:
            calls.put(connection.recv())
        except (EOFError, OSError):
            _end(folder)


def _obey(emulation: Emulation, name: str, arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    """(True, what it returned), or (False, why it failed)."""
    try:
        return True, getattr(emulation, name)(*arguments)
    except HilError as error:
        return False, str(error)
    except Exception as error:  # whatever .NET raises
        return False, f"Renode cannot do {name}: {type(error).__name__}: {error}"


def _end(folder: str) -> None:
    """At once: Renode and its runtime would take six seconds to end in good order."""
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
