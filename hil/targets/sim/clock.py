"""Seconds and cycles: the core's clock changes as the firmware sets it up, time goes on evenly."""

from __future__ import annotations


class VirtualClock:
    """The time of the board, from its cycles."""

    def __init__(self, hz: int) -> None:
        self.hz = hz
        self._cycle, self._seconds = 0, 0.0  # when hz was last changed

    def change(self, cycle: int, hz: int) -> None:
        """The core runs at another frequency from a cycle on."""
        self._seconds, self._cycle, self.hz = self.seconds(cycle), cycle, hz

    def seconds(self, cycle: int) -> float:
        """Since power-on."""
        return self._seconds + (cycle - self._cycle) / self.hz

    def cycle(self, seconds: float) -> int:
        """The first cycle that is not before a time, if the frequency stays as it is."""
        return self._cycle + max(0, -int(-(seconds - self._seconds) * self.hz // 1))
