"""The simulated board under GDB, as a target of the bench like any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from hil.board import Board
from hil.debug.debugger import Debugger
from hil.debug.server import DEFAULT_PORT, HOST, Server
from hil.targets.sim import SimTarget
from hil.targets.sim.target import RUNAWAY_S

Waits = Literal["start", "fault"]


class DebugTarget(SimTarget):
    """A board that waits for GDB before its first instruction ("start"), or where its firmware crashes ("fault").

    Until GDB is there, the board runs as ever, but the timing model in its full mode: the fast one's costs depend on
    what it has looked at before, so that halting would change them. port: of this machine; 0: any. say: tells a person
    where to connect.
    """

    def __init__(
        self, board: Board, *, say: Callable[[str], None], waits: Waits = "start", port: int = DEFAULT_PORT,
        runaway_s: float = RUNAWAY_S,
    ) -> None:  # fmt: skip
        super().__init__(board, timing="full", runaway_s=runaway_s)
        self._say, self._waits, self._port = say, waits, port
        self._server: Server | None = None
        self._debugger: Debugger | None = None

    @property
    def debugger(self) -> Debugger:
        """Raises TargetError before boot()."""
        _ = self.sim
        assert self._debugger is not None, "boot() makes it"
        return self._debugger

    def boot(self, elf: Path) -> None:
        """Power up. Raises HilError where the ELF does not fit the board, or the port is taken."""
        super().boot(elf)
        self._server = Server(self._port)
        self._debugger = Debugger(self.sim, self._server, self._await if self._waits == "fault" else None)
        if self._waits == "start":
            self._await(f"{elf.name} waits for GDB")
            self._debugger.halt()

    def _await(self, what: str) -> None:
        """Wait for GDB, which will find the board standing still."""
        assert self._server is not None
        self._say(f"{what}\ngdb-multiarch -ex 'target remote {HOST}:{self._server.port}' {self.sim.image.path}")
        self._server.accept()

    def reset(self) -> None:
        super().reset()
        self.debugger.restart()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._server = self._debugger = None
        super().close()

    def _write(self, data: bytes) -> None:
        super()._write(data)
        usart = self.sim.usart
        self.debugger.did(lambda: usart.host_write(data))

    def _take(self) -> bytes:
        data = super()._take()
        self.debugger.did(self.sim.usart.host_take)
        return data

    def _run(self, until: int) -> None:
        self.debugger.run(until)
