"""What takes the computer ten thousand times as long as it takes the core: how often one call may do it.

A register and a bit of the bit-band alias are served in Python, some 10 us each; code in RAM that was written anew is
translated again, some 25 us. A call that does nothing else would keep the computer busy for hours before it had its
cycles.
"""

from __future__ import annotations

from collections.abc import Callable

MOST_ACCESSES = 2_000_000  # to registers and single bits, in one call
MOST_TRANSLATIONS = 400_000  # of blocks in RAM


class Patience:
    """Counts what one call does of that. give_up: makes the core stop at its next block."""

    def __init__(self, give_up: Callable[[], None]) -> None:
        self._give_up = give_up
        self.begin()

    def begin(self) -> None:
        """Another call."""
        self._accesses = self._translations = 0
        self.why = ""  # it has gone too far, in words

    def access(self, address: int) -> None:
        """A register or a bit is read or written."""
        self._accesses += 1
        if self._accesses > MOST_ACCESSES:
            self.why = f"endless polling: it has used registers {MOST_ACCESSES} times, the last {address:#010x}"
            self._give_up()

    def translate(self) -> None:
        """A block in RAM is translated."""
        self._translations += 1
        if self._translations > MOST_TRANSLATIONS:
            self.why = f"endless rewriting: code in RAM was new {MOST_TRANSLATIONS} times, and translated again"
            self._give_up()
