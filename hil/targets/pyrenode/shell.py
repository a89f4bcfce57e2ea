"""Renode's monitor at a board that runs: a line in, what it says out; at a terminal or at a port of this machine."""

from __future__ import annotations

import socketserver
from collections.abc import Callable
from threading import Thread
from typing import TYPE_CHECKING

from hil.errors import HilError

if TYPE_CHECKING:
    from hil.targets.renode import RenodeTarget

Command = Callable[[str], str]  # has the monitor execute a line; raises HilError where it refuses
LOOPBACK = "127.0.0.1"
RUN = "run"
_HELP = f"{RUN} SECONDS lets the board's time pass; help lists the monitor's commands; quit ends"


class Shell:
    """Renode's monitor, and one word of ours: `run SECONDS`. The board's time stands still in between."""

    def __init__(self, target: RenodeTarget) -> None:
        self._target = target
        self.greeting = f"{target.board.title} at {target.machine.seconds:.6f} s. {_HELP}"

    def obey(self, line: str) -> str:
        """What a line gives. Raises HilError for what the monitor refuses, TargetError where the firmware crashes."""
        word, *arguments = line.split()
        return self._run(arguments) if word == RUN else self._target.command(line)

    def _run(self, arguments: list[str]) -> str:
        try:
            (seconds,) = map(float, arguments)
        except ValueError:
            raise HilError(f"{RUN} takes a number of seconds: {RUN} 0.5") from None
        machine = self._target.machine
        end_us, sent = machine.now_us + round(seconds * 1e6), b""
        while machine.now_us < end_us:
            sent += self._target.read((end_us - machine.now_us) / 1e6)
        said = f", sent {len(sent)} bytes: {sent[:32].hex(' ')}" if sent else ""
        return f"{machine.seconds:.6f} s{said}"


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        for line in self.rfile:
            text = line.decode(errors="replace").strip()
            if text == "quit":
                return
            if text:
                self.wfile.write((self.server.answer(text) + "\n").encode())


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, block_on_close = True, True, False

    def __init__(self, port: int, command: Command) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self._command = command

    def answer(self, line: str) -> str:
        try:
            return self._command(line)
        except HilError as error:
            return f"error: {error}"


class MonitorPort:
    """Renode's monitor at a TCP port of this machine, reached from this machine alone, until close(). 0: any free port.

    A line is executed between two slices of the board's time. Raises HilError where the port cannot be had.
    """

    def __init__(self, port: int, command: Command) -> None:
        try:
            self._server = _Server(port, command)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise HilError(f"port {port} of {LOOPBACK} cannot be had ({reason}): choose another one") from error
        self.port = int(self._server.server_address[1])
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
