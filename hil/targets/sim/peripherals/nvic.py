"""Nested vectored interrupt controller: which exceptions are enabled, pending and active, and which comes next.

ARMv7-M ARM, B1.5 and B3.4; four priority bits, as ST implements it. Exceptions are counted as the core does: 2 NMI, 3
HardFault, 4 to 6 the other faults, 11 SVC, 14 PendSV, 15 SysTick, 16 + n interrupt n.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hil.targets.sim.core import words as at
from hil.targets.sim.core.priorities import next_exception
from hil.targets.sim.peripherals.registers import Peripheral

NMI, HARD_FAULT, MEM_MANAGE, BUS_FAULT, USAGE_FAULT, SV_CALL, DEBUG_MONITOR, PEND_SV, SYS_TICK, IRQ0 = (
    2,
    3,
    4,
    5,
    6,
    11,
    12,
    14,
    15,
    16,
)
_ALWAYS_ENABLED = 1 << NMI | 1 << HARD_FAULT | 1 << SV_CALL | 1 << PEND_SV | 1 << SYS_TICK
_FIXED_LEVELS = {NMI: -2, HARD_FAULT: -1}
_WORD = (1 << 64) - 1
_ISER, _ICER, _ISPR, _ICPR, _IABR, _IPR, _STIR = 0x100, 0x180, 0x200, 0x280, 0x300, 0x400, 0xF00


class Nvic(Peripheral):
    """State of all exceptions, in words that native code shares, and the registers at 0xE000E100."""

    def __init__(self, interrupts: int, words: Any, changed: Callable[[], None]) -> None:
        """words: hil.targets.sim.core.words."""
        self.count = IRQ0 + interrupts
        self.on_active: Callable[[int, bool], None] | None = None  # a timeline is told: which, and whether it begins
        self._words, self._changed = words, changed
        self._put(at.EXISTING, (1 << self.count) - 1)
        self._state = words[at.STATE]
        first = 8 * at.PRIORITIES
        self.priorities = words.cast("B")[first : first + at.MOST_EXCEPTIONS]
        self.reset()

    def reset(self) -> None:
        self.enabled = _ALWAYS_ENABLED
        self.pending = self._lines = 0
        self._words[at.ACTIVE_COUNT] = 0
        self.priorities[:] = bytes(at.MOST_EXCEPTIONS)
        self.group_shift = 0

    # -- sets of exceptions, as bits

    def _set(self, word: int) -> int:
        low, high = self._words[word], self._words[word + 1]
        return int(low | high << 64)

    def _put(self, word: int, bits: int) -> None:
        self._words[word], self._words[word + 1] = bits & _WORD, bits >> 64

    @property
    def enabled(self) -> int:
        return self._set(at.ENABLED)

    @enabled.setter
    def enabled(self, bits: int) -> None:
        self._put(at.ENABLED, bits)

    @property
    def pending(self) -> int:
        return self._set(at.PENDING_SET)

    @pending.setter
    def pending(self, bits: int) -> None:
        self._put(at.PENDING_SET, bits)

    @property
    def _lines(self) -> int:
        """Interrupt lines that are high."""
        return self._set(at.LINES)

    @_lines.setter
    def _lines(self, bits: int) -> None:
        self._put(at.LINES, bits)

    @property
    def active(self) -> list[int]:
        """The innermost last."""
        return [int(number) for number in self._words[at.ACTIVE : at.ACTIVE + self._words[at.ACTIVE_COUNT]]]

    # -- priorities

    @property
    def group_shift(self) -> int:
        """AIRCR.PRIGROUP."""
        return self._group_shift

    @group_shift.setter
    def group_shift(self, shift: int) -> None:
        self._group_shift = shift
        self._words[at.GROUP_MASK] = 0xFF << (shift + 1) & 0xFF

    def level(self, exception: int) -> int:
        """Group priority: lower pre-empts higher."""
        fixed = _FIXED_LEVELS.get(exception)
        return self.priorities[exception] & self._words[at.GROUP_MASK] if fixed is None else fixed

    def next(self) -> int | None:
        """The pending, enabled exception of highest priority, if it could pre-empt what runs but for the masks."""
        return next_exception.ctypes(self._state) or None

    # -- what happens to an exception

    def set_pending(self, exception: int, pending: bool = True) -> None:
        bit = 1 << exception
        self.pending = self.pending | bit if pending else self.pending & ~bit
        if not pending and self._lines & bit and exception not in self.active:  # a line that is still high
            self.pending |= bit
        self._changed()

    def set_line(self, interrupt: int, high: bool) -> None:
        """The level of a peripheral's interrupt line. A rising line makes its interrupt pending."""
        exception = IRQ0 + interrupt
        word, bit = at.LINES + (exception >> 6), 1 << (exception & 63)
        if high == bool(self._words[word] & bit):
            return
        self._words[word] ^= bit
        if high:
            self._words[at.PENDING_SET + (exception >> 6)] |= bit
            self._changed()

    # -- registers, offsets from 0xE000E000

    def read(self, offset: int) -> int:
        if _IPR <= offset < _IPR + 240:
            start = IRQ0 + offset - _IPR
            return int.from_bytes(self.priorities[start : start + 4], "little")
        shift = IRQ0 + (offset & 0x7F) * 8
        if offset & ~0x7F in (_ISER, _ICER):
            return self.enabled >> shift & 0xFFFF_FFFF
        if offset & ~0x7F in (_ISPR, _ICPR):
            return self.pending >> shift & 0xFFFF_FFFF
        if offset & ~0x7F == _IABR:
            return sum(1 << exception for exception in self.active) >> shift & 0xFFFF_FFFF
        return 0

    def write(self, offset: int, value: int) -> None:
        if _IPR <= offset < _IPR + 240:
            self._write_priorities(IRQ0 + offset - _IPR, value)
        elif offset == _STIR:
            if IRQ0 + (value & 0x1FF) < self.count:
                self.set_pending(IRQ0 + (value & 0x1FF))
        else:
            self._write_bits(offset & ~0x7F, value << (IRQ0 + (offset & 0x7F) * 8) & (1 << self.count) - 1)
        self._changed()

    def peek(self, offset: int) -> int:
        return self.read(offset) if offset >= _IPR else 0  # elsewhere a 0 bit has no effect

    def write_system_priorities(self, first: int, value: int) -> None:
        """SHPR1 to 3: the priorities of four system exceptions."""
        self._write_priorities(first, value)
        self._changed()

    def _write_priorities(self, first: int, value: int) -> None:
        for k, priority in enumerate(value.to_bytes(4, "little")):
            if first + k < self.count:
                self.priorities[first + k] = priority & 0xF0

    def _write_bits(self, register: int, bits: int) -> None:
        if register == _ISER:
            self.enabled |= bits
        elif register == _ICER:
            self.enabled &= ~bits
        elif register == _ISPR:
            self.pending |= bits
        elif register == _ICPR:
            self.pending &= ~bits | self._lines
