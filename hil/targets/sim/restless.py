"""Programs that keep the board busy and get nowhere: storms of interrupts, resets that follow one another.

Each would take hours of the computer for a second of the board's time. Each gets a name instead, as soon as it is sure.
"""

from __future__ import annotations

from typing import Any

from hil.targets.sim.core import words as at
from hil.targets.sim.peripherals import nvic
from hil.timing.compiled.blockhook import TABLE

FASTEST_HZ = 60_000  # that exceptions may come at for long while nothing is sent, though the program sleeps
UNHEARD, SUSTAINED_HZ = 160_000, 5_000  # exceptions since the last byte sent, if they came at more than that
RESETS_UNHEARD = 30  # in a row, without a byte for the host
RESETS_A_SECOND = 100

_NAMES = {
    nvic.NMI: "NMI", nvic.HARD_FAULT: "HardFault", nvic.MEM_MANAGE: "MemManage", nvic.BUS_FAULT: "BusFault",
    nvic.USAGE_FAULT: "UsageFault", nvic.SV_CALL: "SVC", nvic.PEND_SV: "PendSV", nvic.SYS_TICK: "SysTick",
}  # fmt: skip


def name_of(exception: int) -> str:
    """As a person calls it."""
    return _NAMES.get(exception) or f"IRQ {exception - nvic.IRQ0}"


class Storms:
    """Counts exceptions against what comes of them, together with native code. words: hil.targets.sim.core.words."""

    def __init__(self, words: Any = None) -> None:
        self._words = [0] * TABLE if words is None else words
        self._window_s = self._spoke_s = 0.0

    def slept(self) -> None:
        """The core sleeps: what came before is done."""
        self._words[at.STREAK] = self._words[at.RESTLESS] = 0

    def spoke(self, seconds: float) -> None:
        """A byte is on its way to the host."""
        for word in (at.STREAK, at.RESTLESS, at.UNHEARD, at.AWAKE):
            self._words[word] = 0
        self._window_s = self._spoke_s = seconds

    def stayed_awake(self, why: str) -> str | None:
        """The program wanted to sleep, and did not. Returns what is wrong, once something is."""
        self._words[at.AWAKE] += 1
        return self.sleepless(why)

    def sleepless(self, why: str) -> str | None:
        """What is wrong, if it did not sleep too often. why: of the last time."""
        awake = self._words[at.AWAKE]
        return f"{awake} times it did not sleep: {why}" if awake >= at.MOST_AWAKE else None

    def left(self, instructions: int) -> None:
        """The thread's code goes on."""
        self._words[at.LEFT_AT] = instructions + 1

    def entered(self, name: str, instructions: int, seconds: float) -> str | None:
        """An exception was taken. name: as a person calls it. Returns what is wrong, once something is."""
        words = self._words
        has_progressed = words[at.LEFT_AT] != 0 and instructions >= words[at.LEFT_AT]
        words[at.LEFT_AT] = words[at.AWAKE] = 0
        streak = words[at.STREAK] = 1 if has_progressed else words[at.STREAK] + 1
        words[at.RESTLESS] += 1
        words[at.UNHEARD] += 1
        restless, unheard = words[at.RESTLESS], words[at.UNHEARD]
        if streak >= at.WITHOUT_PROGRESS:
            return f"{name} taken {streak} times without progress of thread code"
        if restless >= at.WITHOUT_REST:
            return f"{restless} exceptions, {name} the latest, and the program neither slept nor sent a byte"
        if unheard % at.WITHOUT_REST == 0:
            window_s, self._window_s = seconds - self._window_s, seconds
            elapsed_s = seconds - self._spoke_s
            is_long = unheard >= UNHEARD and unheard > SUSTAINED_HZ * elapsed_s
            if is_long or FASTEST_HZ * window_s < at.WITHOUT_REST:
                elapsed = f"{1000 * elapsed_s:.3g} ms"
                return f"{unheard} exceptions, {name} the latest, in {elapsed}, and no byte was sent"
        return None


class Resets:
    """Counts the resets that the firmware brings about."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._unheard = 0

    def spoke(self) -> None:
        self._unheard = 0

    def happened(self, seconds: float, why: str) -> str | None:
        """Returns what is wrong, once something is. why: of this one, in words."""
        self._times = [*self._times[1 - RESETS_A_SECOND :], seconds]
        self._unheard += 1
        is_fast = len(self._times) == RESETS_A_SECOND and seconds - self._times[0] < 1
        if self._unheard < RESETS_UNHEARD and not is_fast:
            return None
        count = len(self._times) if is_fast else self._unheard
        elapsed_ms = 1000 * (seconds - self._times[-count])
        return f"{count} resets in {elapsed_ms:.3g} ms, the last because {why}"
