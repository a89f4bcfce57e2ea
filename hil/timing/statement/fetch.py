"""The prefetch unit: a queue of three words between the instruction bus and decode.

A word takes an address cycle and a data cycle and can be decoded the cycle after; one request goes out a cycle. Word k
can be asked for once word k-3 has left its slot. Fitted to published cycle counts (docs/timing.md).
"""

from __future__ import annotations

from collections import deque

from hil.timing.statement.flash import Flash

SLOTS = 3
LATENCY = 2  # cycles from a word's request to its decode
BUS_MEMORY = 31  # cycles after which a request in the way of an access cannot come any more
_SYSTEM_BUS = 0x2000_0000  # addresses from here on


def is_in_sram(address: int) -> bool:
    """Whether code at an address is fetched over the System bus."""
    return address >= _SYSTEM_BUS


class FetchQueue:
    """Requests words in order, lazily: a word's request is worked out when an instruction needs it."""

    def __init__(self, flash: Flash, has_sram_fetch: bool = True) -> None:
        self._flash, self._has_sram_fetch = flash, has_sram_fetch
        self.release_bus()
        self.restart(0, 0)

    def release_bus(self) -> None:
        """No data access has the System bus."""
        self._bus_taken: set[int] = set()  # cycles

    def occupy_bus(self, cycle: int, words: int) -> None:
        """A data access has the System bus, from a cycle on for so many words."""
        self._bus_taken = {taken for taken in self._bus_taken if taken >= cycle - BUS_MEMORY}
        self._bus_taken.update(range(cycle, cycle + words))

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
        if self._has_sram_fetch and is_in_sram(self._next_word):
            while cycle in self._bus_taken:
                cycle += 1
            self._ready[self._next_word] = cycle + LATENCY + 1
            self._last_request = cycle
            self._next_word += 4
            return
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
