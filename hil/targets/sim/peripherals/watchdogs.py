"""The independent and the window watchdog (RM0090, 21 and 22). Both reset the chip; RCC_CSR says which."""

from __future__ import annotations

from collections.abc import Callable

from hil.targets.sim.core.core import Core
from hil.targets.sim.events import Events
from hil.targets.sim.peripherals.nvic import Nvic
from hil.targets.sim.peripherals.registers import Peripheral

LSI_HZ = 32_000
RESET_INDEPENDENT, RESET_WINDOW = 1 << 29, 1 << 30  # RCC_CSR
OnBite = Callable[[int, str], None]  # flags for RCC_CSR, and what happened


class IndependentWatchdog(Peripheral):
    """Registers at 0x40003000. hz: the core's clock; it counts by the LSI, whatever the core's clock does."""

    _KR, _PR, _RLR, _SR = 0x0, 0x4, 0x8, 0xC
    _START, _FEED, _UNLOCK = 0xCCCC, 0xAAAA, 0x5555

    def __init__(self, core: Core, events: Events, hz: Callable[[], int], bite: OnBite) -> None:
        self._core, self._events, self._hz, self._bite = core, events, hz, bite
        self.reset()

    def reset(self) -> None:
        self._prescaler, self._reload = 0, 0xFFF
        self._is_open = self._is_on = False
        self._left, self._since, self._since_hz = 0.0, 0, 1
        self._events.cancel("iwdg")

    def read(self, offset: int) -> int:
        return {self._PR: self._prescaler, self._RLR: self._reload}.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        if offset == self._KR:
            self._is_open = value == self._UNLOCK
            self._is_on = self._is_on or value == self._START
            if self._is_on and value in (self._START, self._FEED):
                self._left = (self._reload + 1) * (4 << min(self._prescaler, 6)) / LSI_HZ
                self._note(self._core.now)
        elif self._is_open and offset == self._PR:
            self._prescaler = value & 7
        elif self._is_open and offset == self._RLR:
            self._reload = value & 0xFFF

    def clock_changed(self) -> None:
        """The core's cycles have another length from now on."""
        if self._is_on:
            self._left -= (self._core.now - self._since) / self._since_hz
            self._note(self._core.now)

    def _note(self, now: int) -> None:
        self._since, self._since_hz = now, self._hz()
        self._events.set("iwdg", now + max(1, round(self._left * self._since_hz)), self._run_out)

    def _run_out(self, cycle: int) -> None:
        self._bite(RESET_INDEPENDENT, "the independent watchdog ran out")


class WindowWatchdog(Peripheral):
    """Registers at 0x40002C00. divider: of the core's clock to PCLK1. The count is worked out from the cycle."""

    _CR, _CFR, _SR = 0x0, 0x4, 0x8
    _ON, _LIVES, _EARLY = 1 << 7, 1 << 6, 1 << 9
    _IRQ = 0

    def __init__(self, core: Core, events: Events, nvic: Nvic, divider: Callable[[], int], bite: OnBite) -> None:
        self._core, self._events, self._nvic, self._divider, self._bite = core, events, nvic, divider, bite
        self.reset()

    def reset(self) -> None:
        self._count, self._since, self._config, self._is_early = 0x7F, 0, 0x7F, False
        self._is_on = False
        self._events.cancel("wwdg")

    def read(self, offset: int) -> int:
        if offset == self._CR:
            return (self._ON if self._is_on else 0) | self._now()
        return {self._CFR: self._config, self._SR: int(self._is_early)}.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        if offset == self._CR:
            if self._is_on and self._now() > self._config & 0x7F:
                self._bite(RESET_WINDOW, "the window watchdog was fed before its window")
                return
            self._is_on = self._is_on or bool(value & self._ON)
            self._count, self._since = value & 0x7F, self._core.now
            if self._is_on and not value & self._LIVES:
                self._bite(RESET_WINDOW, "the window watchdog was given a count that had run out")
            elif self._is_on:
                self._schedule()
        elif offset == self._CFR:
            self._config = value & 0x3FF
            self._schedule()
        elif offset == self._SR and not value & 1:
            self._is_early = False
            self._nvic.set_line(self._IRQ, False)

    @property
    def _step(self) -> int:
        """Cycles of the core a count."""
        return self._divider() * 4096 << (self._config >> 7 & 3)

    def _now(self) -> int:
        passed = (self._core.now - self._since) // self._step if self._is_on else 0
        return (self._count - passed) & 0x7F

    def _schedule(self) -> None:
        if not self._is_on:
            return
        if self._config & self._EARLY and self._count > self._LIVES:
            self._events.set("wwdg", self._since + (self._count - self._LIVES) * self._step, self._warn)
        else:
            self._events.set("wwdg", self._since + (self._count - self._LIVES + 1) * self._step, self._run_out)

    def _warn(self, cycle: int) -> None:
        self._is_early = True
        self._nvic.set_line(self._IRQ, True)
        self._events.set("wwdg", self._since + (self._count - self._LIVES + 1) * self._step, self._run_out)

    def _run_out(self, cycle: int) -> None:
        self._bite(RESET_WINDOW, "the window watchdog ran out")
