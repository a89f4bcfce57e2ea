"""What the simulated board was doing when it failed, learnt from a second run: nothing is recorded while all is well.

The board is deterministic, so the session that failed is driven through it again, up to the same cycle. Its last blocks
are noted one by one over a stretch before that; at the fault registers and memory are taken.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import unicorn
from unicorn import arm_const as uc_arm

from hil.board import Board
from hil.errors import HilError
from hil.failure.stripped import as_line
from hil.targets.base import Target, TargetError, TargetFault
from hil.targets.recording import Event
from hil.targets.sim import SimTarget
from hil.targets.wrapper import Wrapper
from hil.timing.compiled.engine import Mode

BLOCKS = 1000
STRETCH_CYCLES = 1_000_000  # before the end, in which blocks are noted
MOST_MEMORY = 1 << 20  # bytes of one memory in the core file
PATIENCE_S = 60.0  # of the board's time, in which an answer that came must come again
_NAMES = [*(f"r{n}" for n in range(13)), "sp", "lr", "pc", "xpsr", "msp", "psp", "control", "primask", "basepri",
          "faultmask", "fpscr", *(f"s{n}" for n in range(32))]  # fmt: skip


@dataclass
class PostMortem:
    """registers: by name, unsigned; memories: (address, bytes); blocks: addresses, the latest last."""

    cycle: int = 0
    registers: dict[str, int] = field(default_factory=dict)
    memories: list[tuple[int, bytes]] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)
    fault: str | None = None


def post_mortem(elf: Path, board: Board, timing: Mode, end: int, drive: Callable[[Target], None]) -> PostMortem:
    """Drive a fresh board through a session whose failure was at the cycle `end`; drive boots it and says all there is.

    Whatever the session fails with is expected.
    """
    with SimTarget(board, timing=timing) as target:
        watched = _Watched(target, end)
        with suppress(HilError):
            drive(watched)
        watched.take(None)
    return watched.found


class _Watched(Wrapper):
    """The board, looked at from the stretch before the end on."""

    def __init__(self, target: SimTarget, end: int) -> None:
        super().__init__(target)
        self._sim_target, self._end = target, end
        self._blocks: deque[int] = deque(maxlen=BLOCKS)
        self._is_noting = False
        self.found = PostMortem()

    def boot(self, elf: Path) -> None:
        super().boot(elf)
        self._is_noting = False
        self._sim_target.sim.faults.on_fault.append(self._at_fault)

    def read(self, timeout_s: float) -> bytes:
        """As the board's, which is stopped in between where the stretch begins; what it says is cut as without."""
        sim = self._sim_target.sim
        start = max(1, self._end - STRETCH_CYCLES)
        data = sim.usart.host_take()
        deadline_s = sim.seconds + timeout_s
        while not data and sim.seconds < deadline_s:
            last = sim.clock.cycle(deadline_s) + 1
            until = last if self._is_noting else min(last, max(start, sim.core.now + 1))
            sim.run(until)
            if not self._is_noting and sim.core.now >= start:
                self._note_blocks()
            if sim.has_output or until == last:
                data = sim.usart.host_take()
        return data

    def _note_blocks(self) -> None:
        core = self._sim_target.sim.core
        core.uc.hook_add(unicorn.UC_HOOK_BLOCK, lambda _uc, address, _size, _data: self._blocks.append(address))
        core.uc.ctl_flush_tb()  # type: ignore[attr-defined]  # code that is translated already knows one hook alone
        self._is_noting = True

    def _at_fault(self, fault: TargetFault) -> None:
        if fault.cycle == self._end:
            self.take(fault)

    def take(self, fault: TargetFault | None) -> None:
        """The state as it is now, unless the fault's has been taken."""
        with suppress(TargetError):
            sim = self._sim_target.sim
            if self.found.registers:
                return
            core = sim.core
            registers = {name: core.register(getattr(uc_arm, f"UC_ARM_REG_{name.upper()}")) for name in _NAMES}
            if fault is not None:
                registers["pc"] = fault.pc
            memories = [
                (memory.origin, core.memory.read(memory.origin, min(memory.bytes, MOST_MEMORY)))
                for memory in sim.board.rams
                if core.memory.is_ram(memory.origin, 4)
            ]
            said = None if fault is None else str(fault)
            self.found = PostMortem(core.now, registers, memories, list(self._blocks), said)


class Diverged(TargetError):
    """The session went another way than when it failed."""


def redrive(events: Iterable[Event], elf: Path, is_same_clock: bool = True) -> Callable[[Target], None]:
    """What drives a target through a session's events as its host did: bytes at their times, reads until they ended.

    Raises Diverged where the target says something else than then; the failures that it had then are passed over.
    is_same_clock: its cycles are those of then. In another timing mode frames of status come at other moments, and as
    many bytes are waited for as there were then, whatever they say.
    """

    def drive(target: Target) -> None:
        owed = 0
        for event in events:
            if event.kind == "boot":
                target.boot(elf)
            elif event.kind == "reset":
                target.reset()
            elif event.kind == ">":
                target.write(event.data)
            elif is_same_clock or event.kind == "!":
                _read(target, event)
            else:
                owed = _wait_for(target, event, owed + len(event.data))

    return drive


def _wait_for(target: Target, event: Event, owed: int) -> int:
    """Read the bytes that the target owes, or until the event's time where then it was silent. Returns what is left."""
    if event.kind == "-":
        seen = target.observed()
        now = seen.seconds if seen is not None and seen.seconds is not None else 0.0
        return owed - len(target.read(max(0.0, event.seconds - now)))
    while owed > 0 and (data := target.read(PATIENCE_S)):
        owed -= len(data)
    return owed


def _read(target: Target, event: Event) -> None:
    """A read that ended as the event says: with bytes, with silence until then, or with a failure."""
    seen = target.observed()
    now = seen.seconds if seen is not None and seen.seconds is not None else 0.0
    try:
        data = target.read(max(0.0, event.seconds - now) if event.kind == "-" else PATIENCE_S)
    except TargetError as error:
        if event.kind == "!" and as_line(error) == as_line(event.text):
            return
        raise Diverged(f"at {event.seconds:.6f} s the board fails otherwise than then: {error}") from error
    if event.kind == "!":
        raise Diverged(f"at {event.seconds:.6f} s the board goes on, where then it was: {event.text}")
    if data != event.data:
        raise Diverged(f"at {event.seconds:.6f} s the board says {len(data)} other bytes than then")
