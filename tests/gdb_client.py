"""As much of GDB as the tests of its server need, and a firmware on a board that it talks to."""

from __future__ import annotations

import queue
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from board_programs import DISCO

from hil.debug import DebugTarget
from hil.debug.packets import packet

PATIENCE_S = 240  # until a test gives up; nothing here waits for time to pass


class GdbClient:
    """A connection to a server."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self._held = b""
        self.console = ""

    def ask(self, request: bytes | str) -> str:
        """Send a packet and wait for the reply; console output goes to `console`."""
        self.send(request)
        return self.reply()

    def send(self, request: bytes | str) -> None:
        self.socket.sendall(packet(request.encode() if isinstance(request, str) else request))

    def reply(self) -> str:
        while True:
            data = self._packet()
            if data[:1] == "O" and data != "OK":
                self.console += bytes.fromhex(data[1:]).decode()
            else:
                return data

    def _packet(self) -> str:
        while b"#" not in self._held or len(self._held.partition(b"#")[2]) < 2:
            more = self.socket.recv(1 << 16)
            if not more:
                raise EOFError(f"the server has closed the connection, its client held {self._held!r}")
            self._held += more
        data, _, rest = self._held.lstrip(b"+-").partition(b"#")
        self._held = rest[2:]
        return data[1:].decode("latin-1")

    def register(self, number: int) -> int:
        return int.from_bytes(bytes.fromhex(self.ask(f"p{number:x}")), "little")

    @property
    def pc(self) -> int:
        return self.register(15)

    def monitor(self, command: str) -> str:
        return bytes.fromhex(self.ask(f"qRcmd,{command.encode().hex()}")).decode()

    def cycle(self) -> int:
        return int(self.monitor("cycles").split()[1].rstrip(","))

    def place(self) -> int:
        return int(self.monitor("cycles").split()[3].rstrip(","))

    def close(self) -> None:
        self.socket.close()


class Debugged:
    """A firmware on a board under GDB, with the host's part in a thread of its own."""

    def __init__(self, elf: Path, host: Callable[[DebugTarget], Any], **options: Any) -> None:
        def boot_and_run(make: Callable[..., DebugTarget]) -> Any:
            with make(DISCO, **options) as self.target:
                self.target.boot(elf)
                return host(self.target)

        self._start(boot_and_run)

    @classmethod
    def of(cls, host: Callable[[Callable[..., DebugTarget]], Any]) -> Debugged:
        """A host that boots for itself; it is given what makes a target of a board."""
        made = cls.__new__(cls)
        made._start(host)
        return made

    def _start(self, host: Callable[[Callable[..., DebugTarget]], Any]) -> None:
        self._said: queue.Queue[str] = queue.Queue()
        self.target: Any = None
        self.result: Any = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(host,), daemon=True)
        self._thread.start()

    def _run(self, host: Callable[[Callable[..., DebugTarget]], Any]) -> None:
        try:
            self.result = host(partial(DebugTarget, say=self._said.put, port=0))
        except BaseException as error:
            self.error = error
            self._said.put(f"{error}")

    def wait(self) -> int:
        """The server's port, once it says that it waits for a client."""
        text = self._said.get(timeout=PATIENCE_S)
        assert "target remote" in text, text
        return int(text.partition("127.0.0.1:")[2].partition("'")[0])

    def connect(self) -> GdbClient:
        """A client."""
        return GdbClient(self.wait())

    def end(self) -> Any:
        """What the host's part gave, once it is through. Raises what it raised."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the server hangs"
        if self.error is not None:
            raise self.error
        return self.result


@contextmanager
def debugged(elf: Path, host: Callable[[DebugTarget], Any], **options: Any) -> Iterator[tuple[Debugged, GdbClient]]:
    """The two of them, the client connected."""
    run = Debugged(elf, host, **options)
    client = run.connect()
    try:
        yield run, client
    finally:
        client.close()


def until_it_waits(session: subprocess.Popen[str]) -> tuple[str, int]:
    """What a session of pytest prints until it waits for GDB, and the port at which it does."""
    assert session.stdout is not None
    said = ""
    while not (found := re.search(r"127\.0\.0\.1:(\d+)'", said)):
        line = session.stdout.readline()
        assert line, said
        said += line
    return said, int(found[1])
