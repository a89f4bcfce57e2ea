"""Programs that keep the board busy and get nowhere: storms of interrupts, resets that follow one another.

Each would take hours of the computer for a second of the board's time. Each gets a name instead, as soon as it is sure.
"""

from __future__ import annotations

from hil.targets.sim.peripherals.nvic import PEND_SV, SV_CALL, SYS_TICK

WITHOUT_PROGRESS = 5_000  # exceptions one after another, of which the thread's code sees nothing
WITHOUT_REST = 40_000  # exceptions, while the program neither sleeps nor sends
FASTEST_HZ = 60_000  # that exceptions may come at for long while nothing is sent, though the program sleeps
RESETS_UNHEARD = 30  # in a row, without a byte for the host
RESETS_A_SECOND = 100

_NAMES = {SV_CALL: "SVC", PEND_SV: "PendSV", SYS_TICK: "SysTick"}


class Storms:
    """Counts exceptions against what comes of them."""

    def __init__(self) -> None:
        self._streak = self._restless = self._unheard = 0
        self._left_at = -1  # instructions executed when the thread's code went on
        self._window_s = 0.0

    def slept(self) -> None:
        """The core sleeps: what came before is done."""
        self._streak = self._restless = 0

    def spoke(self, seconds: float) -> None:
        """A byte is on its way to the host."""
        self._streak = self._restless = self._unheard = 0
        self._window_s = seconds

    def left(self, instructions: int) -> None:
        """The thread's code goes on."""
        self._left_at = instructions

    def entered(self, exception: int, instructions: int, seconds: float) -> str | None:
        """An exception was taken. Returns what is wrong, once something is."""
        has_progressed = self._left_at >= 0 and instructions > self._left_at
        self._left_at = -1
        self._streak = 1 if has_progressed else self._streak + 1
        self._restless += 1
        self._unheard += 1
        name = _NAMES.get(exception) or f"IRQ {exception - 16}"
        if self._streak >= WITHOUT_PROGRESS:
            return f"{name} taken {self._streak} times without progress of thread code"
        elapsed_ms = 1000 * (seconds - self._window_s)
        if self._restless >= WITHOUT_REST:
            return f"{self._restless} exceptions, {name} the latest, and the program neither slept nor sent a byte"
        if self._unheard >= WITHOUT_REST:
            if self._unheard > FASTEST_HZ * elapsed_ms / 1000:
                return f"{self._unheard} exceptions, {name} the latest, in {elapsed_ms:.3g} ms, and no byte was sent"
            self._unheard, self._window_s = 0, seconds
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
