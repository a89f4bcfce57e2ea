"""SysTick's registers; the counter is hil.targets.sim.core.ticking, which also serves most stores to LOAD and VAL."""

from __future__ import annotations

from hil.targets.sim.core import ticking
from hil.targets.sim.core import words as at
from hil.targets.sim.core.core import Core
from hil.targets.sim.peripherals.registers import Peripheral

_CSR, _RVR, _CVR, _CALIB = 0x10, 0x14, 0x18, 0x1C
_COUNTFLAG = 1 << 16


class SysTick(Peripheral):
    """Offsets from 0xE000E000."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.reset()

    def reset(self) -> None:
        words = self._core.words
        for word in (at.TICK_CONTROL, at.TICK_RELOAD, at.TICK_ZERO_AT, at.TICK_HELD, at.TICK_SEEN):
            words[word] = 0
        words[at.TICK_AT] = at.NEVER

    def read(self, offset: int) -> int:
        if offset == _CSR:
            return self._read_control()
        if offset == _CVR:
            return int(ticking.count_at.ctypes(self._core.state_address, self._core.exact_now()))
        if offset == _CALIB:
            return 0x4000_0000 | 18749  # 1 ms at HCLK / 8 of 150 MHz, inexact (RM0090)
        return self.peek(offset)

    def peek(self, offset: int) -> int:
        words = self._core.words
        return {_CSR: words[at.TICK_CONTROL], _RVR: words[at.TICK_RELOAD]}.get(offset, 0)

    def changes_at(self, offset: int) -> int | None:
        """COUNTFLAG, for who waits for it, with the counter's next zero."""
        return self._next_flag if offset == _CSR and self._counts else None

    def write(self, offset: int, value: int) -> None:
        words, state, now = self._core.words, self._core.state_address, self._core.exact_now()
        if offset == _CSR:
            ticking.set_tick.ctypes(state, now, value & 7, words[at.TICK_RELOAD])
        elif offset == _RVR:
            ticking.set_tick.ctypes(state, now, words[at.TICK_CONTROL], value & at.TICK_MOST)
        elif offset == _CVR:
            ticking.restart_tick.ctypes(state, now)

    @property
    def _counts(self) -> bool:
        words = self._core.words
        return bool(words[at.TICK_CONTROL] & ticking.ENABLE and words[at.TICK_RELOAD])

    @property
    def _next_flag(self) -> int:
        """The cycle of the first zero that COUNTFLAG has not told of."""
        return int(ticking.zero_after.ctypes(self._core.state_address, self._core.words[at.TICK_SEEN]))

    def _read_control(self) -> int:
        words, now = self._core.words, self._core.now
        has_wrapped = self._counts and self._next_flag <= now
        words[at.TICK_SEEN] = now
        return int(words[at.TICK_CONTROL] | (_COUNTFLAG if has_wrapped else 0))
