"""How much to send at once: long frames and many while the line is good; short ones, one by one, while it is not.

A frame of n bytes survives with probability (1 - p)^n where a byte is damaged with probability p: at p = 2 % one of 270
bytes gets through once in 234 times, one of 45 bytes twice in five. Hence: halve at every loss, double after a run of
successes, as TCP does with its window.
"""

from __future__ import annotations

SHORTEST_CHUNK = 32
RUN = 16  # successes before longer frames are tried


class Pace:
    """chunk: bytes of data a frame; window: frames that may be on the way at once."""

    def __init__(self, longest_chunk: int, widest_window: int) -> None:
        self._longest = longest_chunk
        self._widest = widest_window
        self._run = 0
        self.chunk = longest_chunk
        self.window = widest_window

    def succeeded(self) -> None:
        """A frame went through."""
        self.window = min(self.window + 1, self._widest)
        self._run += 1
        if self._run >= RUN and self.chunk < self._longest:
            self.chunk = min(2 * self.chunk, self._longest)
            self._run = 0

    def failed(self) -> None:
        """A frame was lost."""
        self.chunk = max(self.chunk // 2, min(SHORTEST_CHUNK, self._longest))
        self.window = 1
        self._run = 0
