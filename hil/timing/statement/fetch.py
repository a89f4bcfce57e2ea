"""The prefetch unit: a queue of three words between the instruction bus and decode.

A word takes an address cycle and a data cycle and can be decoded the cycle after; one request goes out a cycle. Word k
can be asked for once word k-3 has left its slot. Fitted to published cycle counts (docs/timing.md).
"""

from __future__ import annotations

from collections import deque

from hil.timing.statement.flash import Flash

SLOTS = 3
LATENCY = 2  # cycles from a word's request to its decode


class FetchQueue:
    """Requests words in order, lazily: a word's request is worked out when an instruction needs it."""

    def __init__(self, flash: Flash) -> None:
        self._flash = flash
        self.restart(0, 0)

    def restart(self, target: int, cycle: int) -> None:
        """Drop everything; the word at `target` is asked for in `cycle`."""
        self._next_word = target & ~3
        self._last_request = cycle - 1
        self._free_slots = deque([cycle] * SLOTS)  # the cycle from which each is free
        self._ready: dict[int, int] = {}

    def ready(self, address: int) -> int:
        """The first cycle in which the halfword at an address can be in decode."""
        word = address & ~3
        while self._next_word <= word:
            self._request(max(self._last_request + 1, self._free_slots[0]))
        return self._ready[word]

    def _request(self, cycle: int) -> None:
        self._free_slots.popleft()
        waits = self._flash.fetch(self._next_word, cycle)
        self._ready[self._next_word] = cycle + LATENCY + waits
        self._last_request = cycle + waits
        self._next_word += 4

    def requested(self) -> int:
        """The cycle in which the next word can go out."""
        return max(self._last_request + 1, self._free_slots[0])

    def release(self, cycle: int) -> None:
        """The oldest word's last halfword has been taken; its slot is free from `cycle` on."""
        self._free_slots.append(cycle)

    def steal(self, cycle: int) -> None:
        """A branch's target goes out in `cycle` for nothing: what can go out before does, the rest comes after."""
        while self._free_slots:
            request = max(self._last_request + 1, self._free_slots[0])
            if request >= cycle:
                break
            self._request(request)
        self._last_request = max(self._last_request, cycle)
