"""One board in Renode: its platform, its firmware, the host's end of its serial line, and virtual time."""

from __future__ import annotations

import tempfile
from itertools import count
from pathlib import Path
from time import monotonic

from hil.board import Board
from hil.board.generate import renode_platform
from hil.errors import HilError
from hil.targets.base import TargetError
from hil.targets.pyrenode.process import Renode

QUANTUM_US = 500  # how finely virtual time is cut: the host can answer, and the line feed bytes, this often
_POLL_MS = 500
_names = count()


def _set_up_time(renode: Renode) -> None:
    """Of the emulation, before it has a machine. The monitor's commands for it take half a second the first time."""
    from Antmicro.Renode.Time import TimeInterval  # type: ignore[import-not-found]

    clock = renode.emulation.internal.MasterTimeSource
    clock.Quantum = TimeInterval.FromMicroseconds(QUANTUM_US)
    clock.AdvanceImmediately = True


class Machine:
    """A board that has been switched on. Virtual time passes in run_until() alone.

    There is one in a process: the next one switches it off.
    hang_s: for how long, of our time, Renode may be busy with one call of run_until before it is given up.
    """

    def __init__(self, renode: Renode, board: Board, elf: Path, hang_s: float) -> None:
        self._renode, self._hang_s = renode, hang_s
        if renode.switched_on is not None:
            renode.switched_on.stop()
        renode.emulation.clear()
        _set_up_time(renode)
        self.name = f"{board.name}_{next(_names)}"
        machine = renode.emulation.add_mach(self.name)
        with tempfile.TemporaryDirectory() as folder:
            platform = Path(folder) / f"{board.name}.repl"
            platform.write_text(renode_platform(board))
            try:
                machine.load_repl(str(platform))
                machine.load_elf(str(elf.resolve()))
            except Exception as error:  # whatever .NET raises
                raise HilError(f"Renode does not accept the platform of {board.name} or {elf}: {error}") from error
        self._machine = machine.internal
        self._connect(board)
        self.is_on, renode.switched_on = True, self
        self._wait("start")

    def _connect(self, board: Board) -> None:
        """Our classes beside Renode's (platforms/renode). They look peripherals up by themselves: pyrenode3 takes a
        second for each."""
        from Antmicro.Renode.Hil import HostLine, Stepper  # type: ignore[import-not-found]
        from Antmicro.Renode.Peripherals.Miscellaneous import AccessGuard  # type: ignore[import-not-found]

        uart, rx_dma = board.uart, board.uart.rx_dma
        controller, stream = (rx_dma.controller, rx_dma.stream) if rx_dma else ("", 0)
        self.guard = AccessGuard(self._machine)
        self.cpu, self._bus = self.guard.Cpu, self._machine.SystemBus
        self.line = HostLine(self._machine, uart.peripheral, controller, stream)
        self._stepper = Stepper(self._machine, self.line, self.guard)

    @property
    def now_us(self) -> int:
        """Virtual time since the board was switched on."""
        return int(self._stepper.Microseconds)

    @property
    def seconds(self) -> float:
        return self.now_us / 1e6

    @property
    def resets(self) -> int:
        """Since the board was switched on."""
        return int(self._stepper.Resets)

    @property
    def instructions(self) -> int:
        return int(self.cpu.ExecutedInstructions)

    @property
    def instructions_per_s(self) -> float:
        """While the core does not sleep."""
        return float(self.cpu.PerformanceInMips) * 1e6

    def run_until(self, microseconds: int) -> None:
        """Let virtual time pass until then, until the firmware has sent something, or until the core was stopped.

        Raises TargetError where Renode does not come back.
        """
        self._stepper.RunUntil(microseconds)
        self._wait(f"reach {microseconds / 1e6:.4f} s")

    def _wait(self, what: str) -> None:
        give_up = monotonic() + self._hang_s
        while not self._stepper.Wait(_POLL_MS):
            if monotonic() > give_up:
                seconds, pc = self.seconds, int(self.cpu.PC.RawValue)
                self.stop()
                raise TargetError(
                    f"Renode did not {what} within {self._hang_s:g} s: it hangs at {seconds:.4f} s of virtual time, "
                    f"PC {pc:#010x}; boot the firmware again"
                )

    def request_reset(self) -> None:
        """As the reset button, when time next passes."""
        self._machine.RequestReset()

    def read(self, address: int, size: int) -> bytes:
        """Bytes as the core sees them; where nothing is, zeros."""
        return bytes(self._bus.ReadBytes(address, size))

    def register(self, number: int) -> int:
        """A core register: 0 to 15."""
        return int(self.cpu.GetRegister(number).RawValue)

    def save(self, path: Path) -> None:
        """Renode's snapshot (`Load` reads it). The machine cannot run on after it."""
        self._stepper.Release()
        self._renode.command("pause")
        self._renode.command(f"Save @{path}")

    def stop(self) -> None:
        """Switch off. Unblocks whatever waits for this machine."""
        if self.is_on:
            self.is_on = False
            self._renode.switched_on = None
            self._stepper.Release()
            self._renode.emulation.clear()
