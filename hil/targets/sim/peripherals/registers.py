"""What a peripheral is to the bus: words at offsets that can be read and written."""

from __future__ import annotations

from collections.abc import Mapping

from hil.targets.sim.events import NEVER


class Peripheral:
    """A block of registers. Offsets are those of 32-bit words; values are unsigned.

    hears: what it says may come from outside the board.
    """

    hears = False

    def reset(self) -> None:
        """As after a system reset."""

    def read(self, offset: int) -> int:
        """What the core gets, with the side effects a read has."""
        raise NotImplementedError

    def write(self, offset: int, value: int) -> None:
        """What the core stores. A narrower store comes as the word that peek() gives with that part replaced."""
        raise NotImplementedError

    def peek(self, offset: int) -> int:
        """The word as it stands, without side effects."""
        return self.read(offset)

    def changes_at(self, offset: int) -> int | None:
        """The cycle at which a word next changes by itself, where that is known and reading has no side effect."""
        return None


class RegisterFile(Peripheral):
    """Registers that keep what is written to them."""

    RESET: Mapping[int, int] = {}  # values other than 0 after a reset

    def __init__(self) -> None:
        self.values: dict[int, int] = {}
        self.reset()

    def reset(self) -> None:
        self.values = dict(self.RESET)

    def read(self, offset: int) -> int:
        return self.values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        self.values[offset] = value

    def peek(self, offset: int) -> int:
        return self.values.get(offset, 0)

    def changes_at(self, offset: int) -> int | None:
        return NEVER  # by itself: whoever polls one that is not set waits until the program is given up
