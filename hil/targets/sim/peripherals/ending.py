"""The end of a DMA stream's transfer to a USART, which native code sees to: most often nothing else is left to be done.

Python gets to know with the first register that the firmware uses afterwards. Until then the bytes that were sent last
are kept, for the interrupt's handler may put others in their place at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hil.targets.sim.core import words as at
from hil.targets.sim.core.core import Core
from hil.targets.sim.peripherals.nvic import IRQ0

if TYPE_CHECKING:
    from hil.targets.sim.peripherals.dma import Stream


UNSEEN = 4096  # cycles after which Python sees to it at the latest


class Ending:
    """Room for one transfer's end, on the whole chip. changed() is called when the core has to look up for it."""

    def __init__(self, core: Core, changed: Callable[[], None]) -> None:
        self._words, self._memory, self._changed = core.words, core.memory, changed
        self._kept = core.words.cast("B")[8 * at.END_KEPT :][: at.MOST_KEPT]
        self.reset()

    def reset(self) -> None:
        self.stream = ""  # whose it is; "": none's
        self._cycle = at.NEVER
        self._words[at.END_AT] = at.NEVER

    def expect(self, stream: Stream, count: int, cycle: int) -> bool:
        """Whether native code will see to it that a stream takes its last `count` bytes at a cycle."""
        region = self._memory.find(stream.position, count)
        is_ours = self.stream in ("", stream.name) and region in self._memory.rams and count <= at.MOST_KEPT
        if not is_ours or region is None or not region.dma:
            return False
        words = self._words
        self.stream, self._cycle = stream.name, cycle
        words[at.END_AT], words[at.END_LINE] = cycle, IRQ0 + stream.interrupt
        words[at.END_FROM], words[at.END_BYTES] = stream.position, count
        self._changed()
        return True

    def is_over(self, stream: Stream, now: int) -> bool:
        """Whether a stream's transfer has ended by a cycle."""
        return self.stream == stream.name and now >= self._cycle

    def forget(self, stream: Stream) -> None:
        """The stream's end has been seen to in Python, or is another."""
        if self.stream == stream.name:
            self.reset()

    def kept(self, stream: Stream, address: int, size: int) -> bytes | None:
        """The bytes at an address when native code took them for the stream; None where it has taken none."""
        words = self._words
        if self.stream != stream.name or words[at.END_BYTES]:
            return None
        first = address - words[at.END_FROM]
        return bytes(self._kept[first : first + size])
