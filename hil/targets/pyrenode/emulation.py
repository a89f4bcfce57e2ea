"""Renode itself, in the process that is there for it alone (worker.py): what the other process can ask of it."""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
import time
import warnings
from itertools import count
from typing import Any

from hil.errors import HilError
from hil.paths import platforms
from hil.targets.pyrenode import probes, release
from hil.targets.pyrenode.find import find
from hil.targets.pyrenode.gdb import HOST
from hil.targets.pyrenode.messages import Board, GdbPort, State, Stop

QUANTUM_US = 500  # how finely virtual time is cut: the host can answer, and the line feed bytes, this often
OURS = (
    "Stm32f4Dma.cs",
    "Stm32f4Rcc.cs",
    "AccessGuard.cs",
    "ExceptionWatch.cs",
    "HostLine.cs",
    "Stepper.cs",
    "BlockCounter.cs",
    "BitFlip.cs",
    "GdbPort.cs",
)
# Fewer garbage collections (docs/renode.md has what it brings). Mono reads it once, at its start.
_MONO_GC = ("MONO_GC_PARAMS", "nursery-size=64m")
_START_MS = 30_000


class Emulation:
    """Renode with at most one board in it. Virtual time passes in advance() alone."""

    def __init__(self) -> None:
        wrappers = _load()
        self._emulation, self._monitor = wrappers.Emulation(), wrappers.Monitor()
        self._names = count()
        self._stepper: Any = None
        self._flips: list[Any] = []
        self._gdb: Any = None
        self.command("include " + " ".join(f"@{platforms() / 'renode' / name}" for name in OURS))

    def command(self, text: str) -> str:
        """Have the monitor execute a command. Returns what it prints; raises HilError where it refuses."""
        output, error = self._monitor.execute(text)
        if error.strip():
            raise HilError(f"Renode does not accept {text!r}: {error.strip()}")
        return str(output).strip()

    def version(self) -> str:
        """ "1.16.1", of the assembly: the monitor's own answer is empty where Renode is not the program."""
        from System import AppDomain  # type: ignore[import-not-found]

        named = (assembly.GetName() for assembly in AppDomain.CurrentDomain.GetAssemblies())
        version = next((name.Version for name in named if name.Name == "Renode"), None)
        if version is None:
            raise HilError(f"what pyrenode3 has loaded has no Renode in it: install it again ({release.INSTALL})")
        return f"{version.Major}.{version.Minor}.{version.Build}"

    def probe(self, name: str | None = None) -> int:
        """What r0 holds after a program of probes.py. In the place of the board there was."""
        self.switch_off()
        self.command('mach create "probe"')
        machine = self._emulation.get_mach("probe").internal
        with tempfile.NamedTemporaryFile("w", suffix=".repl") as platform:
            platform.write(probes.PLATFORM)
            platform.flush()
            self.command(f"machine LoadPlatformDescription @{platform.name}")
        machine.SystemBus.WriteBytes(probes.program(name), probes.ORIGIN)
        self.command(f"sysbus.cpu VectorTableOffset {probes.ORIGIN:#x}")
        self.command('emulation RunFor "0.0001"')
        found = int(self.command("sysbus.cpu GetRegister 0"), 16)
        self.switch_off()
        return found

    def unmodelled(self) -> frozenset[str]:
        """The crashes, by the name that provokes them, which do not happen in this Renode."""
        return frozenset(name for name in probes.NAMES if self.probe(name) != probes.TRAPPED)

    def switch_on(self, board: Board) -> None:
        """In the place of the board there was. Raises HilError where Renode refuses the platform or the firmware."""
        from Antmicro.Renode.Hil import HostLine, Stepper  # type: ignore[import-not-found]
        from Antmicro.Renode.Peripherals.Miscellaneous import (  # type: ignore[import-not-found]
            AccessGuard,
            ExceptionWatch,
        )
        from Antmicro.Renode.Time import TimeInterval  # type: ignore[import-not-found]

        self.switch_off()
        self._flips = []
        self.command(f"logFile @{board.log}")
        clock = self._emulation.internal.MasterTimeSource  # the monitor's commands for it take half a second at first
        clock.Quantum, clock.AdvanceImmediately = TimeInterval.FromMicroseconds(QUANTUM_US), True
        machine = self._emulation.add_mach(f"{board.name}_{next(self._names)}")
        try:
            machine.load_repl(board.platform)
            machine.load_elf(board.elf)
        except Exception as error:  # whatever .NET raises
            raise HilError(f"Renode does not accept {board.platform} or {board.elf}: {error}") from error
        self._machine = machine.internal
        self._bus = self._machine.SystemBus
        # They look peripherals up by themselves: pyrenode3 takes a second for each.
        self._guard = AccessGuard(self._machine)
        self._exceptions = ExceptionWatch(self._machine, self._guard)
        self._line = HostLine(self._machine, board.uart, board.dma, board.stream)
        if board.gdb is not None:
            self._open_gdb(board.gdb)
        self._stepper = Stepper(self._machine, self._line, self._guard, self._exceptions)
        if board.gdb is not None and board.gdb.at_start:
            return
        if not self._stepper.Wait(_START_MS):
            raise HilError(f"Renode did not start {board.name} within {_START_MS / 1000:g} s: boot it again")

    def advance(self, microseconds: int, patience_ms: int) -> State:
        """Let virtual time pass until then, until the firmware has sent something, or until the core was stopped.

        Less of it, where the firmware takes exceptions or resets the chip all the time, or where it takes long.
        patience_ms: of our time, after which the state is returned as it then is.
        """
        self._stepper.RunUntil(microseconds)
        is_held = self._stepper.Wait(patience_ms)
        cpu, guard, line, exceptions = self._guard.Cpu, self._guard, self._line, self._exceptions
        stop = None
        if guard.Stopped is not None:
            stop = Stop(str(guard.Stopped), int(guard.Address), bool(guard.IsCode))
        return State(
            microseconds=int(self._stepper.Microseconds),
            instructions=int(cpu.ExecutedInstructions),
            resets=int(self._stepper.Resets),
            opcode=self.read(int(cpu.PC.RawValue), 2),
            received=bytes(line.Take()) if is_held else b"",
            stop=stop,
            is_held=is_held,
            exceptions=int(exceptions.Count),
            exception=int(exceptions.Latest),
            handler=int(exceptions.Handler),
            reset_at=int(exceptions.ResetAt),
            worked_s=time.process_time(),
            waits_for_gdb=self._gdb is not None and bool(self._gdb.IsWaiting),
        )

    def gdb_port(self) -> int:
        """Where Renode's GDB server is."""
        return int(self._gdb.Port)

    def _open_gdb(self, wanted: GdbPort) -> None:
        from Antmicro.Renode.Hil import GdbPort as Server
        from System.Net.Sockets import SocketException  # type: ignore[import-not-found]

        try:
            self._gdb = Server(self._machine, self._guard, wanted.port, wanted.at_start)
        except SocketException as error:
            where = f"{HOST}:{wanted.port}"
            raise HilError(f"cannot listen for GDB at {where} ({error.Message}): name another port") from error

    def _close_gdb(self) -> None:
        if self._gdb is not None:
            self._gdb.Close()
            self._gdb = None

    def pending(self) -> int:
        """The number of the exception that waits to be taken, masked or not; 0 where none does."""
        return int(self._exceptions.Pending)

    def send(self, data: bytes) -> None:
        """Through the UART, as one burst."""
        self._line.Send(data, 0, len(data))

    def hand_over(self, data: bytes) -> None:
        """Into the memory that the UART's DMA receives to, in no time."""
        self._line.HandOver(data)

    def instructions_per_s(self) -> float:
        """While the core does not sleep."""
        return float(self._guard.Cpu.PerformanceInMips) * 1e6

    def registers(self) -> list[int]:
        """r0 to r15 and the program status: as the guard found them when it stopped the core, else as they are."""
        return [int(value) for value in self._guard.Registers]

    def read(self, address: int, size: int) -> bytes:
        """Bytes as the core sees them; where nothing is, zeros."""
        return bytes(self._bus.ReadBytes(address, size))

    def count_blocks(self) -> None:
        """Count how often each block of instructions runs, from here on."""
        from Antmicro.Renode.Hil import BlockCounter

        self._counter = BlockCounter(self._guard.Cpu)

    def blocks(self) -> list[tuple[int, int, int]]:
        """Address, number of instructions, times run, of each block since count_blocks(); counting ends."""
        words = [int(word) for word in self._counter.Take()]
        return list(zip(words[::3], words[1::3], words[2::3], strict=True))

    def flip_bit(self, address: int, bit: int, at: int, call: int) -> None:
        """Change a bit of memory when the core comes to `at` for the call-th time from here on."""
        from Antmicro.Renode.Hil import BitFlip

        self._flips.append(BitFlip(self._machine, self._guard.Cpu, address, bit, at, call))

    def flips(self) -> list[int]:
        """How often the core has come to where each bit is to change."""
        return [int(flip.Calls) for flip in self._flips]

    def stall_dma(self, controller: str, stream: int) -> None:
        """A stream moves nothing from here on, until the chip is reset."""
        self._machine[f"sysbus.{controller}"].__implementation__.Stall(stream)

    def overrun_uart(self, count: int) -> None:
        """The next bytes from the host are lost, as where the firmware does not take the one before."""
        self._line.Overrun(count)

    def request_reset(self) -> None:
        """As the reset button, when time next passes."""
        self._machine.RequestReset()

    def flush_log(self) -> None:
        """So that the log's file has all that was said."""
        from Antmicro.Renode.Logging import Logger  # type: ignore[import-not-found]

        Logger.Flush()

    def save(self, snapshot: str, parts: str) -> None:
        """Renode's snapshot, and the assembly of OURS, which must be there when Load reads it. The board cannot run on.

        The snapshot names that assembly, and Renode gives it another name each time that it compiles.
        """
        self._close_gdb()
        self._stepper.Release()
        self._line.Detach()
        self.command("pause")
        self._guard.Rewind()
        self.command(f"Save @{snapshot}")
        shutil.copyfile(str(self._guard.GetType().Assembly.Location), parts)

    def switch_off(self) -> None:
        self._close_gdb()
        if self._stepper is not None:
            self._stepper.Release()
            self._stepper = None
        self._emulation.clear()


def _load() -> Any:
    """pyrenode3's wrappers. It starts Renode as it is imported, and is told by the environment which."""
    installation = find()
    for name, value in (installation.environment | dict([_MONO_GC])).items():
        os.environ.setdefault(name, value)
    warnings.simplefilter("ignore")  # of Mono before 6.12, which Renode's release runs on
    try:
        return importlib.import_module("pyrenode3.wrappers")
    except (ImportError, SystemExit, Exception) as error:  # whatever .NET raises
        raise HilError(f"Renode at {installation.path or '/opt/renode'} does not start: {error}") from error
