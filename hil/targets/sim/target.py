"""The simulated board as a target of the bench."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hil.board import Board
from hil.targets.base import Capabilities, Direction, Observed, TargetError, TargetFault, dma_stream, how_many
from hil.targets.closing import Closing
from hil.targets.image import load
from hil.targets.sim.bit_flips import BitFlip
from hil.targets.sim.board import SimBoard
from hil.timing.compiled.engine import Mode
from hil.timing.cost_model import CostModel
from hil.timing.model import ModelledCycles

RUNAWAY_S = 10.0  # of the chip's time; a bench gives more to a network that needs it


class SimTarget(Closing):
    """An STM32F4 board in this process, with virtual time.

    The board runs only while read() waits. TargetFault, raised by read(), ends the firmware: boot() or reset() starts
    it again.
    """

    name = "sim"
    capabilities = Capabilities(
        cycles="timing-model", reads_memory=True, virtual_time=True, sees_stack=True, sees_time=True,
        injects_faults=True, flips_bits=True, breaks_peripherals=True,
    )  # fmt: skip

    def __init__(
        self, board: Board, *, timing: Mode = "fast", model: CostModel | None = None, runaway_s: float = RUNAWAY_S
    ) -> None:
        """timing: the model's mode; model: another one; runaway_s: how long the firmware may compute without sleeping
        or sending a byte."""
        self.board = board
        self.capabilities = replace(type(self).capabilities, timing=timing if model is None else model.name)
        self._timing, self._model, self._runaway_s = timing, model, runaway_s
        self._sim: SimBoard | None = None
        self._flips: list[BitFlip] = []
        self._taken_at = -1  # the cycle at which all was taken that had gone out
        self._complete_at = 0  # and that at which it could have been

    @property
    def sim(self) -> SimBoard:
        """The board. Raises TargetError before boot()."""
        if self._sim is None:
            raise TargetError("the simulated board has no firmware: boot() one first")
        return self._sim

    @property
    def faults(self) -> list[TargetFault]:
        """Every crash since boot, also those that the firmware's handler reported and reset from."""
        return self.sim.faults.history

    def expect_work(self, seconds: float) -> None:
        """See hil.targets.base.EndsLoops."""
        self._runaway_s = max(self._runaway_s, seconds)

    def boot(self, elf: Path) -> None:
        """Power up with a firmware. Raises HilError where the ELF does not fit the board."""
        self.close()
        model = self._model or ModelledCycles(self._timing, figures=self.board.timing)
        self._flips, self._taken_at = [], -1
        self._sim = SimBoard(self.board, load(elf, self.board), model, self._runaway_s)

    def reset(self) -> None:
        """As the reset button: RAM keeps its contents."""
        self.sim.reset()

    def close(self) -> None:
        if self._sim is not None:
            self._sim.leave()
        self._sim = None

    def write(self, data: bytes) -> None:
        """Put bytes on the line; they arrive one by one, at the line's speed, while read() lets time pass."""
        self._write(data)

    def read(self, timeout_s: float) -> bytes:
        """Bytes that the firmware has sent: at least one, or b"" once timeout_s of virtual time has passed.

        Raises TargetFault where the firmware crashes, TargetError where it does something the board does not model.
        """
        sim = self.sim
        has_run = sim.core.now != self._taken_at
        data = self._take() if has_run else b""
        deadline_s = sim.clock.seconds(sim.core.now if has_run else self._complete_at) + timeout_s
        while not data and sim.seconds < deadline_s:
            self._run(sim.clock.cycle(deadline_s) + 1)
            data = self._take()
        self._taken_at = sim.core.now
        self._complete_at = sim.usart.outbox.complete_at if data else sim.core.now
        return data

    def now_s(self) -> float:
        """Since power-on, virtual."""
        return self.sim.seconds

    # -- what is done to the board; a debugger's target does it its own way

    def _write(self, data: bytes) -> None:
        self.sim.usart.host_write(data)

    def _take(self) -> bytes:
        return self.sim.usart.host_take()

    def _run(self, until: int) -> None:
        self.sim.run(until)

    def read_memory(self, address: int, size: int) -> bytes:
        """Bytes of flash or RAM. Raises TargetError outside them."""
        return self.sim.core.memory.read(address, size)

    def flip_bit(self, address: int, bit: int, at: int, call: int) -> None:
        """Change bit 0 to 7 of a byte when the core comes to the address `at` for the call-th time."""
        flip = BitFlip(self.sim.core, address, bit, call)
        flip.arm(at)
        self._flips.append(flip)

    def flips(self) -> list[int]:
        """How often the core has come to the `at` of each flip_bit() since boot."""
        return [flip.calls for flip in self._flips]

    def stall_dma(self, direction: Direction) -> None:
        """The link's stream to memory ("rx") or from it ("tx") moves nothing from here on, until the chip is reset."""
        wanted = dma_stream(self.board, direction)
        controller = next(dma for dma in self.sim.chip.dmas if dma.name == wanted.controller)
        controller.streams[wanted.stream].stall()

    def overrun_uart(self, count: int) -> None:
        """The next bytes to the firmware are lost in the UART, with its overrun flag set."""
        self.sim.usart.overruns_to_come += how_many(count)

    def observed(self) -> Observed:
        """Cycles, instructions and the stack's high-water mark, exactly."""
        return self.sim.observed()

    def describe(self, pc: int) -> str:
        """ "function (file.c:line)" of an address in the firmware."""
        return self.sim.image.symbols.describe(pc)
