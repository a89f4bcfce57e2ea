"""Data watchpoint and trace unit, of which only the cycle counter is modelled, and DEMCR, which switches it on."""

from __future__ import annotations

from collections.abc import Callable

from hil.targets.sim.core.core import Core
from hil.targets.sim.peripherals.registers import RegisterFile
from hil.timing.compiled import blockhook as hook

_CTRL, _CYCCNT = 0x0, 0x4
_CYCCNTENA, _TRCENA = 1, 1 << 24
_NUMCOMP = 4 << 28
DEMCR = 0xDFC


class Demcr(RegisterFile):
    """Debug exception and monitor control; the other debug registers read 0. Offsets from 0xE000E000."""

    changed: Callable[[], None] = staticmethod(lambda: None)  # TRCENA may be another; set by the unit it switches

    def reset(self) -> None:
        super().reset()
        self.changed()

    def write(self, offset: int, value: int) -> None:
        super().write(offset, value)
        self.changed()

    @property
    def traces(self) -> bool:
        return bool(self.values.get(DEMCR, 0) & _TRCENA)


class Dwt(RegisterFile):
    """CYCCNT counts the core's cycles, exact to the instruction that reads it, while TRCENA and CYCCNTENA are set."""

    def __init__(self, core: Core, demcr: Demcr) -> None:
        self._core, self._demcr = core, demcr
        super().__init__()
        demcr.changed = lambda: self._mirror()

    def reset(self) -> None:
        super().reset()
        self._started: int | None = None  # the cycle at which CYCCNT was 0, while it counts
        self._held = 0
        self._mirror()

    def _mirror(self) -> None:
        """Tell the native function that reads CYCCNT for most of the times (blockhook.on_private_read)."""
        words = self._core.words
        words[hook.COUNTS], words[hook.COUNTS_SINCE] = self._counts, (self._started or 0) & (1 << 64) - 1

    def read(self, offset: int) -> int:
        if offset == _CTRL:
            return _NUMCOMP | self.values.get(_CTRL, 0)
        if offset == _CYCCNT:
            return self._count(self._core.exact_now()) if self._counts else self._held
        return super().read(offset)

    def write(self, offset: int, value: int) -> None:
        if offset == _CYCCNT:
            now = self._core.exact_now() if self._counts else 0
            self._started, self._held = now - value, value
        elif offset == _CTRL:
            now = self._core.exact_now()
            self._held = self._count(now) if self._counts else self._held
            self.values[_CTRL] = value & 0x0FFF_FFFF
            self._started = now - self._held
        else:
            super().write(offset, value)
        self._mirror()

    @property
    def _counts(self) -> bool:
        return self._demcr.traces and bool(self.values.get(_CTRL, 0) & _CYCCNTENA)

    def _count(self, now: int) -> int:
        return (now - (self._started or 0)) & 0xFFFF_FFFF
