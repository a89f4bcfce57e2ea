"""A simulated board behind a serial port of its own: for programs that know nothing of the bench, and for its tests.

The simulated board gives each byte on the line the time that its baud rate takes; here its clock is made to follow the
wall's. Where this computer is too slow for that, or busy with other things, the board's time stands still meanwhile.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hil.targets.base import Target, TargetError
from hil.targets.noise import Noise, NoisyLine

if TYPE_CHECKING:
    from hil.targets.pseudo_terminal import PseudoTerminal

log = logging.getLogger(__name__)

STEP_S = 0.002  # of the board's time between two looks at the line; its receive ring lasts ten times as long
LONGEST_LAG_S = 0.02  # behind the wall's clock that is made up for; more is forgotten
BAUD_TOLERANCE = 0.04


@dataclass(frozen=True)
class Mischief:
    """What goes wrong on the way. noise: in both directions; late_s: until the board has power; garbage: bytes of
    noise from the board each time it starts."""

    noise: Noise = Noise()
    late_s: float = 0.0
    garbage: int = 0
    seed: int = 0


class Server:
    """Runs a target with virtual time behind a pseudo-terminal, until it is told to stop."""

    def __init__(self, target: Target, port: PseudoTerminal, mischief: Mischief) -> None:
        """Raises TargetError for a target that has no time of its own."""
        if not target.capabilities.virtual_time:
            raise TargetError(f"target {target.name} has no line whose speed could be kept: serve --target sim")
        self._target, self._port, self._mischief = target, port, mischief
        self._outward = NoisyLine(mischief.noise, mischief.seed)
        self._homeward = NoisyLine(mischief.noise, mischief.seed + 1)
        self._resets = -1
        self._is_wrong_speed = False
        self._is_stopped = False

    def stop(self) -> None:
        """Have run() return. Made for signal handlers: what they raise inside the board's callbacks gets lost."""
        self._is_stopped = True

    def run(self, elf: Path, announce: Callable[[], None] = lambda: None) -> None:
        """announce: called when programs may open the port.

        Raises TargetFault when the firmware ends in a way that only switching off and on again helps.
        """
        self._target.boot(elf)  # takes seconds on some targets, and none of the board's time
        announce()
        self._stay_off(self._mischief.late_s)
        due = time.monotonic()
        while not self._is_stopped:
            arrived = self._port.read(max(0.0, due - time.monotonic()))
            if arrived:
                self._target.write(self._outward.pass_on(self._at_our_speed(arrived)))
            if time.monotonic() >= due:
                self._let_pass(STEP_S)
                due = max(due + STEP_S, time.monotonic() - LONGEST_LAG_S)

    def _stay_off(self, seconds: float) -> None:
        """Without power: what arrives is lost."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._is_stopped:
            self._port.read(min(left, LONGEST_LAG_S))

    def _let_pass(self, seconds: float) -> None:
        """Let the board's time pass, and hand on what it says, all at once as a USB adapter does."""
        end = self._now() + seconds
        said = b""
        while (left := end - self._now()) > 1e-9:
            said += self._target.read(left)
            said += self._garbage_after_reset()
        if said:
            self._port.write(self._homeward.pass_on(self._at_our_speed(said)))

    def _now(self) -> float:
        seen = self._target.observed()
        assert seen is not None and seen.seconds is not None, "a target with virtual time knows it"
        return seen.seconds

    def _garbage_after_reset(self) -> bytes:
        seen = self._target.observed()
        if seen is None or seen.resets is None or seen.resets == self._resets:
            return b""
        self._resets = seen.resets
        return self._homeward.garbage(self._mischief.garbage)

    def _at_our_speed(self, data: bytes) -> bytes:
        """The bytes; noise where the program at the other end has set another speed than the board's."""
        theirs, ours = self._port.baud, self._target.board.uart.baud
        is_wrong = theirs is not None and abs(theirs / ours - 1) > BAUD_TOLERANCE
        if is_wrong and not self._is_wrong_speed:
            log.warning("the port is open at %s baud, the board runs at %s", theirs, ours)
        self._is_wrong_speed = is_wrong
        return self._homeward.garbage(len(data)) if is_wrong else data
