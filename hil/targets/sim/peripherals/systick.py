"""SysTick: a 24-bit counter that wraps from 0 to its reload value (ARMv7-M ARM, B3.3)."""

from __future__ import annotations

from collections.abc import Callable

from hil.targets.sim.core import words as at
from hil.targets.sim.core.core import Core
from hil.targets.sim.peripherals.registers import Peripheral

_CSR, _RVR, _CVR, _CALIB = 0x10, 0x14, 0x18, 0x1C
_ENABLE, _TICKINT, _CLKSOURCE, _COUNTFLAG = 1, 2, 4, 1 << 16
_EXTERNAL_DIVIDER = 8  # ST feeds HCLK / 8 to the external clock input


class SysTick(Peripheral):
    """Offsets from 0xE000E000. The count is worked out from the cycle when it is asked for."""

    def __init__(self, core: Core, changed: Callable[[], None]) -> None:
        """changed() is called when the counter comes to 0 at another cycle, where native code sees to the interrupt."""
        self._core, self._changed = core, changed
        self.reset()

    def reset(self) -> None:
        self._control = self._reload = 0
        self._zero_at = 0  # the cycle at which the counter was last known to be 0, while it counts
        self._held = 0  # its value while it does not
        self._flag_seen = 0  # wraps until this cycle have been reported by COUNTFLAG
        self._core.words[at.TICK_AT] = at.NEVER

    def read(self, offset: int) -> int:
        if offset == _CSR:
            return self._read_control()
        if offset == _RVR:
            return self._reload
        if offset == _CVR:
            return self._value(self._core.exact_now())
        return 0x4000_0000 | 18749 if offset == _CALIB else 0  # 1 ms at HCLK / 8 of 150 MHz, inexact (RM0090)

    def peek(self, offset: int) -> int:
        return {_CSR: self._control, _RVR: self._reload}.get(offset, 0)

    def changes_at(self, offset: int) -> int | None:
        """COUNTFLAG, for who waits for it, with the counter's next zero."""
        if offset != _CSR or not self._control & _ENABLE or not self._reload:
            return None
        period = (self._reload + 1) * self._step
        return self._zero_at + ((self._flag_seen - self._zero_at) // period + 1) * period

    def write(self, offset: int, value: int) -> None:
        now = self._core.exact_now()
        if offset == _CSR:
            self._set(now, control=value & 7)
        elif offset == _RVR:
            self._set(now, reload=value & 0xFF_FFFF)
        elif offset == _CVR:
            self._zero_at, self._held, self._flag_seen = now, 0, now
            self._schedule(now)

    @property
    def _step(self) -> int:
        """CPU cycles a count."""
        return 1 if self._control & _CLKSOURCE else _EXTERNAL_DIVIDER

    def _value(self, now: int) -> int:
        if not self._control & _ENABLE:
            return self._held
        phase = (now - self._zero_at) // self._step % (self._reload + 1)
        return self._reload + 1 - phase if phase else 0

    def _set(self, now: int, control: int | None = None, reload: int | None = None) -> None:
        """Change a register with the count going on from where it is."""
        value = self._value(now)
        self._control = self._control if control is None else control
        self._reload = self._reload if reload is None else reload
        self._held = value
        self._zero_at = now - (self._reload + 1 - value) * self._step if value else now
        self._flag_seen = now
        self._schedule(now)

    def _schedule(self, now: int) -> None:
        wanted = _ENABLE | _TICKINT
        words, tick_at = self._core.words, at.NEVER
        if self._control & wanted == wanted and self._reload:
            period = words[at.TICK_PERIOD] = (self._reload + 1) * self._step
            tick_at = self._zero_at + ((now - self._zero_at) // period + 1) * period
        words[at.TICK_AT] = tick_at
        self._changed()

    def _read_control(self) -> int:
        now = self._core.now
        period = (self._reload + 1) * self._step
        counts = self._control & _ENABLE and self._reload
        wrapped = counts and (now - self._zero_at) // period > (self._flag_seen - self._zero_at) // period
        self._flag_seen = now
        return self._control | (_COUNTFLAG if wrapped else 0)
