"""How long a program may read one register over and over, where each time has to be looked at."""

from __future__ import annotations

MOST_READS = 500_000  # in a row, seconds of the computer


class PollsForEver(Exception):
    """A program has read the same register, and none but it, for too long. address: the register's."""

    def __init__(self, address: int) -> None:
        super().__init__(f"{address:#010x}")
        self.address = address


class Patience:
    """Counts."""

    def __init__(self) -> None:
        self._address, self._reads = -1, 0

    def note(self, address: int) -> None:
        """A register is read. Raises PollsForEver."""
        if address != self._address:
            self._address, self._reads = address, 0
        self._reads += 1
        if self._reads > MOST_READS:
            self._reads = 0
            raise PollsForEver(address)

    def rest(self) -> None:
        """The program has slept, or sent a byte."""
        self._reads = 0
