"""How long a program may read one register over and over, or use any, where each time has to be looked at."""

from __future__ import annotations

MOST_READS = 500_000  # of one register in a row, seconds of the computer
MOST_USES = 2_000_000  # reads and writes of any


class PollsForEver(Exception):
    """A program has done nothing but use registers for too long; says which, in words."""


class Patience:
    """Counts, until the program sleeps or sends a byte."""

    def __init__(self) -> None:
        self._address, self._reads, self._uses = -1, 0, 0

    def read(self, address: int) -> None:
        """A register is read. Raises PollsForEver."""
        if address != self._address:
            self._address, self._reads = address, 0
        self._reads += 1
        if self._reads > MOST_READS:
            self.rest()
            raise PollsForEver(f"of {address:#010x}, which says nothing new")
        self.use(address)

    def use(self, address: int) -> None:
        """A register is read or written. Raises PollsForEver."""
        self._uses += 1
        if self._uses > MOST_USES:
            self.rest()
            raise PollsForEver(f"{MOST_USES} times a register is used, the latest at {address:#010x}, and that is all")

    def rest(self) -> None:
        """The program has slept, or sent a byte."""
        self._reads = self._uses = 0
