"""A simulated board's past: what the host did, states along the way, and how to be at any instruction of it again.

The board is deterministic: from a state of its own, with the same calls by the host, it does the same again, to the
cycle. A place in its run is the number of instructions executed before it.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from hil.debug.points import Hit, Points
from hil.debug.saved import Saved, restore, save
from hil.targets.sim import SimBoard

STATES = 64  # that a long stretch is cut by, when it is gone through for the first time
LEAST_SPACING = 2_000_000  # cycles between two of them
_MARGINS = 200, 4_000, 80_000  # cycles before a place, from which on it is approached in single steps


class Outcome(Enum):
    """Why the board went no further."""

    END = auto()  # all that the host asked for so far is done
    STOPPED = auto()  # at a point, behind a step, or at a fault
    LIMIT = auto()  # at the cycle asked for


@dataclass(frozen=True)
class Call:
    """What the host did: let the board run until a cycle, take its output, write bytes to it, reset it."""

    until: int | None = None
    act: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class _Moment:
    """A state and how many of the host's calls had been done."""

    saved: Saved
    calls: int


class History:
    """From the time at which it is made. The last of the host's calls is the one in progress."""

    def __init__(self, board: SimBoard, points: Points) -> None:
        self._board, self._points = board, points
        self._calls: list[Call] = []
        self._done = 0  # of the calls
        self._resets = board.resets
        self.begin()

    def begin(self) -> None:
        """The past begins here and now: what was before cannot be gone back to."""
        self._calls, self._done = self._calls[self._done :], 0
        self._moments = [_Moment(save(self._board), 0)]
        self._frontier = self.here  # the furthest place that the run has come to
        self._resets = self._board.resets

    @property
    def here(self) -> int:
        """The place that the board is at."""
        return self._board.core.executed

    @property
    def is_past(self) -> bool:
        """Whether the board has been further already."""
        return self.here < self._frontier

    @property
    def first(self) -> int:
        """The earliest place."""
        return self._moments[0].saved.instructions

    # -- forwards

    def call(self, call: Call) -> None:
        """The host wants something; advance() does it."""
        self._calls.append(call)

    def redo(self, act: Callable[[], object]) -> None:
        """Note what the host has just done to the board, which is in the present."""
        self._calls.append(Call(act=act))
        self._done += 1

    def advance(self, limit: int | None = None, step: bool = False) -> Outcome:
        """Let the board do what the host asked for, up to a cycle or by one instruction.

        Raises what the board raises; then it is where that happened.
        """
        board = self._board
        try:
            while self._done < len(self._calls):
                call = self._calls[self._done]
                if call.until is None:
                    call.act()
                    self._done += 1
                    continue
                until = call.until if limit is None else min(call.until, limit)
                (board.step if step else board.run)(until)
                if board.resets != self._resets:
                    self.begin()
                if board.has_output:
                    self._done += 1
                if board.arrived:
                    return Outcome.STOPPED
                if not board.has_output and board.core.now >= call.until:
                    self._done += 1
                if limit is not None and board.core.now >= limit:
                    return Outcome.LIMIT
            return Outcome.END
        finally:
            self._frontier = max(self._frontier, self.here)

    def keep(self) -> None:
        """Keep the state that the board is in, unless one near it is kept."""
        at = bisect_right(self._moments, self.here, key=_place)
        before = self._moments[at - 1]
        if self._board.core.now - before.saved.cycle >= LEAST_SPACING:
            insort(self._moments, _Moment(save(self._board, before.saved), self._done), key=_place)

    # -- backwards

    def go_to(self, place: int, cycle: int) -> None:
        """Be at a place of the past that the board reached not after a cycle; of an IT, at its beginning."""
        self._points.begin(stops=False)
        for margin in (*_MARGINS, None):
            moment = self._before(place)
            self._put_back(moment)
            if margin is not None and cycle - margin > moment.saved.cycle:
                self.advance(limit=cycle - margin)
            if self.here <= place:
                break
        while self.here < place:
            before = self.here
            if self.advance(step=True) is Outcome.END:
                return
            if self.here > place:
                self.go_to(before, cycle)
                return

    def last_hit(self, place: int) -> Hit | None:
        """The last time before a place, not after here, that a point was met; None where it never was.

        The board is somewhere else then.
        """
        end = self._board.core.now
        for number in range(bisect_right(self._moments, place - 1, key=_place) - 1, -1, -1):
            moment = self._moments[number]
            found = self._last_hit_between(moment, end, place)
            if found is not None:
                return found
            end = moment.saved.cycle
        return None

    def _last_hit_between(self, moment: _Moment, end: int, place: int) -> Hit | None:
        spacing = max(LEAST_SPACING, (end - moment.saved.cycle) // STATES)
        self._put_back(moment)
        found: Hit | None = None
        while True:
            self._points.begin(stops=False)
            outcome = self.advance(limit=min(end, self._board.core.now + spacing))
            hits = [hit for hit in self._points.hits() if moment.saved.instructions <= hit.instructions < place]
            found = hits[-1] if hits else found
            if outcome is Outcome.END or self._board.core.now >= end or self.here >= place:
                return found
            self.keep()

    def _before(self, place: int) -> _Moment:
        return self._moments[max(0, bisect_right(self._moments, place, key=_place) - 1)]

    def _put_back(self, moment: _Moment) -> None:
        restore(self._board, moment.saved)
        self._board.core.pass_over(None)
        self._done = moment.calls


def _place(moment: _Moment) -> int:
    return moment.saved.instructions
