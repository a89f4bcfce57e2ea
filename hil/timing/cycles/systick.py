"""The two counters of the core that code times itself with: DWT->CYCCNT and SysTick (ARMv7-M ARM, C1.8 and B3.3)."""

from __future__ import annotations

from collections.abc import Callable

_BASE = 0xE000_0000
_DWT_CTRL, _CYCCNT = 0x1000, 0x1004
_CSR, _RVR, _CVR = 0xE010, 0xE014, 0xE018
_COUNTS, _COUNTFLAG = 1, 1 << 16
_24_BITS, _32_BITS = (1 << 24) - 1, (1 << 32) - 1


class SystemCounters:
    """Registers at 0xE0000000 and up. now(address) is the cycle of the access being made to an address.

    SysTick counts core cycles whatever its clock source bit says, and raises no interrupt. Other registers keep what is
    written.
    """

    def __init__(self, now: Callable[[int], int]) -> None:
        self._now = now
        self._registers: dict[int, int] = {}
        self._cyccnt_zero = 0  # cycle at which CYCCNT was 0
        self._tick_zero = 0  # cycle at which SysTick was reloaded
        self._flag_seen = 0  # wraps of SysTick that COUNTFLAG has told

    def read(self, offset: int) -> int:
        """A register's value."""
        if offset == _CYCCNT:
            return self._now(_BASE + offset) - self._cyccnt_zero & _32_BITS
        if offset == _CVR:
            return self._ticks(offset)[1]
        if offset == _CSR:
            wraps = self._ticks(offset)[0]
            flag = _COUNTFLAG if wraps > self._flag_seen else 0
            self._flag_seen = wraps
            return self._registers.get(_CSR, 0) | flag
        return self._registers.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """Write a register: any write clears SysTick's count."""
        if offset == _CYCCNT:
            self._cyccnt_zero = self._now(_BASE + offset) - value
        elif offset == _CVR or offset == _CSR and value & _COUNTS and not self._registers.get(_CSR, 0) & _COUNTS:
            self._tick_zero, self._flag_seen = self._now(_BASE + offset) + 1, 0
        if offset not in (_CYCCNT, _CVR):
            self._registers[offset] = value

    def _ticks(self, offset: int) -> tuple[int, int]:
        """Wraps so far and the current value; a cycle after it was cleared the count starts from the reload value."""
        if not self._registers.get(_CSR, 0) & _COUNTS:
            return 0, 0
        period = (self._registers.get(_RVR, 0) & _24_BITS) + 1
        elapsed = max(0, self._now(_BASE + offset) - self._tick_zero)
        return elapsed // period, period - 1 - elapsed % period
