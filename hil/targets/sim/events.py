"""Things that will happen at a cycle yet to come."""

from __future__ import annotations

import heapq
from collections.abc import Callable

NEVER = (1 << 64) - 1


class Events:
    """A queue of callbacks by cycle. Each has an owner and an owner has one at a time: setting it again moves it."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        """changed() is called when `next` is another cycle, except in run(), whose caller looks at it."""
        self._changed = changed
        self._queue: list[tuple[int, int, str]] = []
        self._current: dict[str, tuple[int, int, Callable[[int], None]]] = {}
        self._order = 0  # of setting, decides between events of one cycle
        self.next = NEVER
        self._runs = False

    def set(self, owner: str, cycle: int, callback: Callable[[int], None]) -> None:
        """Call callback(cycle) at a cycle, instead of what the owner had waiting."""
        current = self._current.get(owner)
        if current and current[0] == cycle:
            self._current[owner] = (cycle, current[1], callback)
            return
        self._order += 1
        self._current[owner] = (cycle, self._order, callback)
        heapq.heappush(self._queue, (cycle, self._order, owner))
        self._settle()

    def cancel(self, owner: str) -> None:
        """Forget what the owner had waiting, if anything."""
        if self._current.pop(owner, None):
            self._settle()

    def clear(self) -> None:
        """Forget everything."""
        self._queue.clear()
        self._current.clear()
        self.next = NEVER

    def run(self, now: int) -> None:
        """Call everything that is due, in order."""
        self._runs = True
        try:
            while self.next <= now:
                cycle, _, owner = heapq.heappop(self._queue)
                callback = self._current.pop(owner)[2]
                self._settle()
                callback(cycle)
        finally:
            self._runs = False

    def _settle(self) -> None:
        """Drop what was moved or cancelled from the head and note when the next is."""
        before = self.next
        self.next = NEVER
        while self._queue:
            cycle, order, owner = self._queue[0]
            current = self._current.get(owner)
            if current and current[1] == order:
                self.next = cycle
                break
            heapq.heappop(self._queue)
        if self.next != before and not self._runs:
            self._changed()
