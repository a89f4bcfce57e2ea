"""How long a program may use registers and do nothing else, where each time has to be looked at.

A program that is busy, as one that draws on a display pin by pin, may use them as often as it likes, for it gets on:
native code serves the pins. Uses that only Python can serve have a bound. One that polls for ever comes back to where
it was: its core's registers and its memory are as a million uses before, and all that it looks at is the board's own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NoReturn

from hil.targets.sim.core.words import MOST_SERVED, NAPS, SERVED

MOST_READS = 500_000  # of one register in a row, seconds of the computer
MOST_USES = 1_000_000  # reads and writes of any, between two looks at the whole
MOST_SLOW_USES = 2_000_000  # that native code does not serve, half a minute of the computer at the most
LONGEST_ROUND = 1024  # uses


class PollsForEver(Exception):
    """A program has done nothing but use registers for too long; says which, in words."""


class Patience:
    """Counts, until the program sleeps or sends a byte.

    core: where it is; memory: what is in it, both in a value; words: hil.targets.sim.core.words.
    """

    def __init__(self, core: Callable[[], Hashable], memory: Callable[[], Hashable], words: Any) -> None:
        self._core, self._memory, self._words = core, memory, words
        self._napped = 0
        self._address, self._reads, self._uses, self._slow_uses = -1, 0, 0, 0
        self._then: tuple[Hashable, Hashable] | None = None
        self._listens = False
        self._served = 0
        self._begun = 0  # SERVED when native code began to count

    def read(self, address: int, times: int = 1) -> None:
        """A register is read, the last of so many times. Raises PollsForEver."""
        if address != self._address:
            self._address, self._reads = address, 0
        self._reads += times + self.use(address)
        if self._reads > MOST_READS:
            self.rest()
            raise PollsForEver(f"of {address:#010x}, which says nothing new")

    def read_clock(self, address: int, served: int) -> None:
        """CYCCNT is read; `served`: how often that was done without asking here. Raises PollsForEver."""
        times, self._served = served - self._served, served
        self.read(address, max(1, times))

    def use(self, address: int) -> int:
        """A register is read or written. Returns how many uses native code has served since. Raises PollsForEver."""
        naps = self._words[NAPS]
        if naps != self._napped:
            self._napped = naps
            self.rest()
        served = self._words[SERVED] - self._begun
        self._uses += 1 + served
        self._slow_uses += 1
        is_near = self._uses > MOST_USES - MOST_SERVED  # then each use has to be seen here
        self._words[SERVED] = self._begun = MOST_SERVED if is_near else 0
        if self._uses > MOST_USES:
            self._look(address)
        return served

    def listen(self) -> None:
        """The register that is read may change by what others do."""
        self._listens = True

    def rest(self) -> None:
        """The program has slept, or sent a byte."""
        self._reads = self._uses = self._slow_uses = 0
        self._then, self._listens = None, False

    def _look(self, address: int) -> None:
        core = self._core()
        if self._then is None or self._uses > MOST_USES + LONGEST_ROUND:
            if self._slow_uses > MOST_SLOW_USES:
                self._give_up(self._slow_uses, address, "it neither slept nor sent a byte")
            self._then, self._listens, self._uses = (core, self._memory()), False, 0
        elif self._then == (core, self._memory() if core == self._then[0] else None):
            if not self._listens:
                self._give_up(self._uses, address, "all is as before")
            self._slow_uses = 0  # it waits for the host

    def _give_up(self, uses: int, address: int, why: str) -> NoReturn:
        self.rest()
        raise PollsForEver(f"{uses} times a register is used, the latest at {address:#010x}, and {why}")
