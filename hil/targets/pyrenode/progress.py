"""Whether a firmware gets on: told from a board's state, portion of time by portion.

The names, and the numbers of exceptions and resets, are those of the simulated board.
"""

from __future__ import annotations

from dataclasses import dataclass

from hil.targets.pyrenode.messages import State
from hil.targets.sim.core.words import WITHOUT_REST
from hil.targets.sim.restless import FASTEST_HZ, RESETS_UNHEARD, SUSTAINED_HZ, UNHEARD, name_of

CRAWL_S = 5.0  # of Renode's work without rest, in which code runs at a fraction of its speed
ASLEEP_S = 2.0  # without an exception, after which it is looked at what could end the sleep
_CRAWL = 4e6  # instructions a second of work; else it is a hundred million, with blocks counted twenty
_BRANCH_TO_ITSELF = bytes.fromhex("fee7")  # of Thumb


@dataclass(frozen=True)
class Stuck:
    """What is wrong. at: the address that did it; None where that is wherever the core is."""

    kind: str
    detail: str
    at: int | None = None


class Progress:
    """Compares each state with those in which the firmware last slept, sent a byte or took an exception.

    instructions_per_s: of a core that does not sleep; runaway_s: of virtual time, for how long it may compute without
    sleeping or sending; is_patient: somebody looks at it with GDB, and may be slow.
    """

    def __init__(self, now: State, instructions_per_s: float, runaway_s: float, is_patient: bool) -> None:
        self._instructions_per_s, self._runaway_s, self._is_patient = instructions_per_s, runaway_s, is_patient
        self._last = self._rested = self._heard = self._window = self._still = now
        self._awake_s = 0.0

    def passed(self, now: State, is_heard: bool) -> Stuck | None:
        """What is wrong after a portion of time, None where nothing is. is_heard: it has sent bytes."""
        last, self._last = self._last, now
        if is_heard:
            self._heard = self._window = now
        elapsed_s = _seconds(last, now)
        has_slept = now.instructions - last.instructions < 0.99 * elapsed_s * self._instructions_per_s
        # while the core branches to itself, Renode executes no instructions, as if it slept
        is_awake = not is_heard and (not has_slept or now.opcode == _BRANCH_TO_ITSELF)
        self._awake_s = self._awake_s + elapsed_s if is_awake else 0.0
        self._rested = self._rested if is_awake else now
        if is_awake or is_heard or now.exceptions != last.exceptions:
            self._still = now
        return self._resets(now) or self._storms(now) or self._loops(now)

    def is_asleep(self) -> bool:
        """Whether it has slept for so long that somebody should look at what could wake it, and has not yet."""
        asleep = _seconds(self._still, self._last) >= ASLEEP_S
        if asleep:
            self._still = self._last
        return asleep

    def _resets(self, now: State) -> Stuck | None:
        count = now.resets - self._heard.resets
        if count < RESETS_UNHEARD:
            return None
        said = (
            f"{count} resets in {1000 * _seconds(self._heard, now):.3g} ms, the last because the firmware asked for it"
        )
        return Stuck("reset loop", said, now.reset_at)

    def _storms(self, now: State) -> Stuck | None:
        """Exceptions are compared with what comes of them."""
        unheard, restless = (now.exceptions - before.exceptions for before in (self._heard, self._rested))
        name = name_of(now.exception)
        if restless >= WITHOUT_REST:
            said = f"{restless} exceptions, {name} the latest, and the program neither slept nor sent a byte"
            return Stuck("interrupt storm", said, now.handler)
        count, window_s = now.exceptions - self._window.exceptions, _seconds(self._window, now)
        if count < WITHOUT_REST:
            return None
        self._window = now
        elapsed_s = _seconds(self._heard, now)
        if count > FASTEST_HZ * window_s or unheard >= UNHEARD and unheard > SUSTAINED_HZ * elapsed_s:
            said = f"{unheard} exceptions, {name} the latest, in {1000 * elapsed_s:.3g} ms, and no byte was sent"
            return Stuck("interrupt storm", said, now.handler)
        return None

    def _loops(self, now: State) -> Stuck | None:
        said = f"{self._awake_s:.3g} s without sleeping or sending a byte"
        work_s = now.worked_s - self._rested.worked_s
        executed = now.instructions - self._rested.instructions
        if not self._is_patient and work_s > CRAWL_S and executed < _CRAWL * work_s:
            said += f", for which Renode worked {work_s:.0f} s: it uses registers again and again"
        elif self._awake_s <= self._runaway_s:
            return None
        return Stuck("endless loop", said)


def _seconds(before: State, now: State) -> float:
    return (now.microseconds - before.microseconds) / 1e6
