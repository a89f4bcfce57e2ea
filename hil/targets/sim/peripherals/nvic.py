"""Nested vectored interrupt controller: which exceptions are enabled, pending and active, and which comes next.

ARMv7-M ARM, B1.5 and B3.4; four priority bits, as ST implements it. Exceptions are counted as the core does: 2 NMI, 3
HardFault, 4 to 6 the other faults, 11 SVC, 14 PendSV, 15 SysTick, 16 + n interrupt n.
"""

from __future__ import annotations

from collections.abc import Callable

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
THREAD_LEVEL = 256  # below every exception
_ISER, _ICER, _ISPR, _ICPR, _IABR, _IPR, _STIR = 0x100, 0x180, 0x200, 0x280, 0x300, 0x400, 0xF00


class Nvic(Peripheral):
    """State of all exceptions, and the registers at 0xE000E100."""

    def __init__(self, interrupts: int, changed: Callable[[], None]) -> None:
        self.count = IRQ0 + interrupts
        self.on_active: Callable[[int, bool], None] = lambda exception, begins: None  # a timeline is told
        self._changed = changed
        self.reset()

    def reset(self) -> None:
        self.enabled = _ALWAYS_ENABLED
        self.pending = 0
        self.active: list[int] = []  # the innermost last
        self.priorities = bytearray(self.count)
        self.group_shift = 0  # AIRCR.PRIGROUP
        self._lines = 0  # interrupt lines that are high

    # -- priorities

    def level(self, exception: int) -> int:
        """Group priority: lower pre-empts higher."""
        fixed = _FIXED_LEVELS.get(exception)
        return self.priorities[exception] & self.group_mask if fixed is None else fixed

    @property
    def group_mask(self) -> int:
        return 0xFF << (self.group_shift + 1) & 0xFF

    def running_level(self) -> int:
        """Group priority of what runs, without the mask registers."""
        return min((self.level(exception) for exception in self.active), default=THREAD_LEVEL)

    def next(self) -> int | None:
        """The pending, enabled exception of highest priority, if it could pre-empt what runs but for the masks."""
        waiting = self.pending & self.enabled
        if not waiting:
            return None
        best = min(_bits(waiting), key=lambda n: (_FIXED_LEVELS.get(n, self.priorities[n]), n))
        return best if self.level(best) < self.running_level() else None

    # -- what happens to an exception

    def set_pending(self, exception: int, pending: bool = True) -> None:
        if pending:
            self.pending |= 1 << exception
        else:
            self.pending &= ~(1 << exception)
            self._repend(exception)
        self._changed()

    def set_line(self, interrupt: int, high: bool) -> None:
        """The level of a peripheral's interrupt line. A rising line makes its interrupt pending."""
        exception, bit = IRQ0 + interrupt, 1 << (IRQ0 + interrupt)
        was_high = bool(self._lines & bit)
        if high == was_high:
            return
        self._lines ^= bit
        if high:
            self.pending |= 1 << exception
            self._changed()

    def enter(self, exception: int) -> None:
        """The exception is being taken."""
        self.pending &= ~(1 << exception)
        self.active.append(exception)
        self.on_active(exception, True)

    def leave(self) -> int:
        """The innermost exception has ended. Returns its number."""
        exception = self.active.pop()
        self.on_active(exception, False)
        self._repend(exception)
        return exception

    def _repend(self, exception: int) -> None:
        """A line that is still high makes its interrupt pending again."""
        if self._lines & 1 << exception and exception not in self.active:
            self.pending |= 1 << exception

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


def _bits(value: int) -> list[int]:
    """The positions of the bits that are set."""
    return [n for n in range(value.bit_length()) if value >> n & 1]
