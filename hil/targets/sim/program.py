"""A whole program on the simulated board, from reset on: what it prints and how many cycles it takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil import board as boards
from hil.errors import HilError
from hil.targets.image import Image, load
from hil.targets.sim.board import SimBoard
from hil.targets.sim.core.state import NOWHERE
from hil.targets.sim.semihosting import ProgramEnded, Semihosting
from hil.timing.compiled import blockhook as hook
from hil.timing.compiled.engine import Mode
from hil.timing.model import ModelledCycles

_LAST_BYTES = 4  # that may still be on a USART's way out when a program ends


@dataclass(frozen=True)
class Ran:
    """A program's run. output: printed by semihosting and on all USARTs. exit_code: None where it did not end."""

    cycles: int
    instructions: int
    seconds: float
    output: bytes
    exit_code: int | None

    def as_json(self) -> dict[str, Any]:
        return {
            "cycles": self.cycles, "instructions": self.instructions, "seconds": self.seconds,
            "output": self.output.decode(errors="replace"), "exit_code": self.exit_code,
        }  # fmt: skip


def run_program(
    elf: Path,
    *,
    since: str | None = None,
    until: str | None = None,
    board: str = "stm32f407_disco",
    mode: Mode = "full",
    timeout_cycles: int,
) -> Ran:
    """Run a program from reset until it arrives at `until`, or ends by semihosting.

    since: a symbol from whose first execution on cycles count; from reset on without. Raises HilError where the program
    crashes (TargetFault), never arrives or accesses what the board does not have.
    """
    chip = boards.load(board)
    image = load(elf, chip)
    model = ModelledCycles(mode, figures=chip.timing)
    sim = SimBoard(chip, image, model, runaway_s=timeout_cycles / 1e6)
    for usart in sim.chip.usarts.values():
        usart.line_baud = None  # whoever listens follows any rate
    output = bytearray()
    Semihosting(sim, output.extend)
    runner = _Runner(sim, output, timeout_cycles)
    exit_code = None
    try:
        if since is not None:
            runner.go_to(_address(image, since), since)
        start, executed, begun = sim.core.now, sim.core.words[hook.INSTRUCTIONS], sim.seconds
        runner.go_to(NOWHERE if until is None else _address(image, until), until or "its end")
    except ProgramEnded as ended:
        exit_code = ended.code
        if since is not None and not runner.has_arrived:
            raise HilError(f"{elf}: the program ended before it came to {since}: {_tail(output)}") from None
    cycles, instructions = sim.core.now - start, sim.core.words[hook.INSTRUCTIONS] - executed
    seconds = sim.seconds - begun
    runner.take_last()
    return Ran(cycles, instructions, seconds, bytes(output), exit_code)


class _Runner:
    """Lets a board run to an address, and takes what it prints meanwhile."""

    def __init__(self, sim: SimBoard, output: bytearray, timeout_cycles: int) -> None:
        self._sim, self._output, self._timeout = sim, output, timeout_cycles
        self.has_arrived = False

    def go_to(self, address: int, name: str) -> None:
        """Raises HilError where it does not come there in time."""
        sim = self._sim
        before, sim.core.stop_at = sim.core.stop_at, address
        for place in (before, address):  # an end counts when code is translated
            sim.core.uc.ctl_remove_cache(place, place + 2)
        end = sim.core.now + self._timeout
        self.has_arrived = False
        while not sim.arrived and sim.core.now < end:
            sim.run(end)
            self._take()
        if not sim.arrived:
            raise HilError(
                f"{sim.image.path}: the program did not come to {name} within {self._timeout} cycles; it is in "
                f"{sim.describe_place()}: raise --timeout-cycles or give another --until; {_tail(self._output)}"
            )
        sim.arrived = False
        self.has_arrived = True

    def take_last(self) -> None:
        """What is still on its way out."""
        usarts = self._sim.chip.usarts.values()
        self._sim.core.advance(self._sim.core.now + max(_LAST_BYTES * usart.byte_cycles for usart in usarts))
        self._take()

    def _take(self) -> None:
        for usart in self._sim.chip.usarts.values():
            self._output += usart.host_take()


def _address(image: Image, symbol: str) -> int:
    address = image.symbols.address(symbol)
    if address is None:
        raise HilError(f"{image.path}: there is no symbol {symbol!r}")
    return address & ~1


def _tail(output: bytearray) -> str:
    last = bytes(output).decode(errors="replace").strip().splitlines()
    return f"it last printed {last[-1]!r}" if last else "it printed nothing"
