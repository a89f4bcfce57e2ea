"""One board in a Renode: its serial line, its memory and virtual time."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

from hil.board import Board
from hil.board.generate import renode_platform
from hil.targets.base import TargetError
from hil.targets.pyrenode import messages
from hil.targets.pyrenode.gdb import Gdb, why
from hil.targets.pyrenode.messages import State
from hil.targets.pyrenode.process import Renode
from hil.targets.symbols import symbols

_POLL_MS = 500
_SHARE = 3  # of a processor's time that a Renode at work has at least, on a machine with other work to do


class Machine:
    """A board that has been switched on. Virtual time passes in run_until() alone.

    hang_s: for how long, of our time, Renode may be busy with one call of run_until before it is given up, a third of
    it where it works all the while; with gdb, for ever. Raises HilError where Renode does not accept the platform or
    the firmware, and where GDB's port is taken.
    """

    def __init__(self, renode: Renode, board: Board, elf: Path, hang_s: float, gdb: Gdb | None = None) -> None:
        self.renode, self.hang_s = renode, hang_s
        uart, rx_dma = board.uart, board.uart.rx_dma
        dma, stream = (rx_dma.controller, rx_dma.stream) if rx_dma else ("", 0)
        renode.boots += 1
        self.log = renode.folder / f"renode_{renode.boots}.log"
        platform = renode.folder / f"{board.name}.repl"
        platform.write_text(renode_platform(board))
        renode.call(
            "switch_on",
            messages.Board(
                board.name,
                str(platform),
                str(elf.resolve()),
                uart.peripheral,
                dma,
                stream,
                str(self.log),
                None if gdb is None else messages.GdbPort(gdb.port, gdb.waits == "start"),
            ),
        )
        self.instructions_per_s: float = renode.call("instructions_per_s")  # while the core does not sleep
        self.received = bytearray()
        self._gdb, self._elf = gdb, elf
        self.state = self._advance(0)

    @property
    def now_us(self) -> int:
        """Virtual time since the board was switched on."""
        return self.state.microseconds

    @property
    def seconds(self) -> float:
        return self.now_us / 1e6

    def run_until(self, microseconds: int) -> None:
        """Let virtual time pass until then, until the firmware has sent something, or until the core was stopped.

        Raises TargetError where Renode does not come back.
        """
        self.state = self._advance(microseconds)
        self.received += self.state.received

    def _advance(self, microseconds: int) -> State:
        give_up, is_told, begun_s = monotonic() + self.hang_s, False, None
        while True:
            state: State = self.renode.call("advance", microseconds, _POLL_MS)
            if state.is_held:
                return state
            begun_s = state.worked_s if begun_s is None else begun_s
            if self._gdb is not None:
                if state.waits_for_gdb and not is_told:
                    reason = why(state, self.registers(), symbols(self._elf), self._elf)
                    self._gdb.tell(self.renode.call("gdb_port"), self._elf, reason)
                is_told = state.waits_for_gdb
            elif monotonic() > give_up or state.worked_s - begun_s > self.hang_s / _SHARE:
                raise self._hangs(state, microseconds)

    def _hangs(self, state: State, microseconds: int) -> TargetError:
        """Renode is ended."""
        pc = self.registers()[15]
        self.renode.end()
        within = f"{self.hang_s:g} s, or {self.hang_s / _SHARE:.2g} s of work"
        where = f"{state.microseconds / 1e6:.4f} s of virtual time, PC {pc:#010x} in {symbols(self._elf).describe(pc)}"
        return TargetError(
            f"Renode did not reach {microseconds / 1e6:.4f} s within {within}: it hangs at {where}; "
            "boot the firmware again"
        )

    def pending(self) -> int:
        """The number of the exception that waits to be taken, masked or not; 0 where none does."""
        number: int = self.renode.call("pending")
        return number

    def send(self, data: bytes) -> None:
        """Through the UART, as one burst: the caller lets time pass in between."""
        self.renode.call("send", data)

    def hand_over(self, data: bytes) -> None:
        """A frame, in no time."""
        self.renode.call("hand_over", data)

    def take(self) -> bytes:
        """What the firmware has sent since the last time."""
        taken = bytes(self.received)
        self.received.clear()
        return taken

    def request_reset(self) -> None:
        """As the reset button, when time next passes."""
        self.renode.call("request_reset")

    def read(self, address: int, size: int) -> bytes:
        """Bytes as the core sees them; where nothing is, zeros."""
        data: bytes = self.renode.call("read", address, size)
        return data

    def registers(self) -> tuple[int, ...]:
        """r0 to r15 and the program status, of a stopped core as they were when it was stopped."""
        return tuple(self.renode.call("registers"))

    def read_log(self) -> str:
        """What Renode has said since the board was switched on."""
        self.renode.call("flush_log")
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def save(self, snapshot: Path, parts: Path) -> None:
        """Renode's snapshot, without paths of this computer, and the assembly that it needs.

        The machine cannot run on after it.
        """
        self.renode.call("save", str(snapshot.resolve()), str(parts.resolve()))
        saved = snapshot.read_bytes()
        for path in (self._elf, snapshot):  # of the same length: it stands before each text
            text = str(path.resolve()).encode()
            saved = saved.replace(text, path.name.encode().rjust(len(text), b"/"))
        snapshot.write_bytes(saved)

    def stop(self) -> None:
        """Switch off."""
        if self.renode.is_running:
            self.renode.call("switch_off")
        self.log.unlink(missing_ok=True)
