"""The STM32F4's flash interface: 128-bit lines, wait states, prefetch, a cache for instructions and one for data.

RM0090 chapter 3.5: the "adaptive real-time memory accelerator" keeps 64 lines of instructions and 8 of data, each 16
bytes, and drops the least recently used. What is inferred (docs/timing.md): a prefetched line enters the cache when it
is used, one read of the array goes on at a time, and a data read waits for it like an instruction fetch. At 0 wait
states nothing waits and the caches are left alone.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from hil.timing.statement.accelerator import STM32F4, Accelerator

LONG_AGO = -(10**9)
FLASH_ORIGIN, FLASH_END = 0x0800_0000, 0x0820_0000  # as far as any STM32F4 goes


@dataclass(frozen=True)
class FlashSettings:
    """FLASH_ACR: latency and the enable bits; and what accelerator they switch."""

    wait_states: int = 0
    instruction_cache: bool = True
    data_cache: bool = True
    prefetch: bool = True
    accelerator: Accelerator = STM32F4

    def under(self, rules: frozenset[str]) -> FlashSettings:
        """What is left of them with some rules off."""
        return FlashSettings(
            wait_states=self.wait_states if "wait-states" in rules else 0,
            instruction_cache=self.instruction_cache and "instruction-cache" in rules,
            data_cache=self.data_cache and "data-cache" in rules,
            prefetch=self.prefetch and self.accelerator.prefetch and "prefetch" in rules,
            accelerator=self.accelerator,
        )


def is_flash(address: int) -> bool:
    """Whether an address is read through the flash interface."""
    return FLASH_ORIGIN <= address < FLASH_END


def canonical(address: int) -> int:
    """Where flash really lies: with BOOT0 low it shows at 0, too."""
    return address | FLASH_ORIGIN if address < FLASH_END - FLASH_ORIGIN else address


class LineCache:
    """A fully associative cache of lines, least recently used out first."""

    def __init__(self, lines: int) -> None:
        self._capacity = lines
        self._lines: OrderedDict[int, None] = OrderedDict()

    def __contains__(self, line: int) -> bool:
        return line in self._lines

    def use(self, line: int) -> None:
        """Make a line the most recently used, bringing it in if it is not there."""
        self._lines[line] = None
        self._lines.move_to_end(line)
        if len(self._lines) > self._capacity:
            self._lines.popitem(last=False)


class Flash:
    """The interface between the core's two buses and the flash array. Times are cycles of the core."""

    def __init__(self, settings: FlashSettings) -> None:
        self.settings = settings
        accelerator = settings.accelerator
        self._shift = accelerator.line_shift
        self.instructions = LineCache(accelerator.instruction_lines if settings.instruction_cache else 0)
        self.data = LineCache(accelerator.data_lines if settings.data_cache else 0)
        self.leave()

    def leave(self) -> None:
        """Other code ran meanwhile: the caches stay, the line in hand and the prefetch do not."""
        self._current: int | None = None
        self._prefetched: int | None = None
        self._prefetch_ready = LONG_AGO
        self._busy_until = LONG_AGO

    def _waits(self, address: int) -> bool:
        return self.settings.wait_states > 0 and is_flash(address)

    def fetch(self, address: int, issued: int) -> int:
        """Cycles that fetching a word waits beyond its one data cycle; its address went out in cycle `issued`."""
        address = canonical(address)
        line = address >> self._shift
        if line == self._current or not self._waits(address):
            return 0
        due = issued + 1
        waits = self._waits_for(line, due)
        self._current = line
        if self.settings.prefetch and line + 1 not in self.instructions and self._prefetched != line + 1:
            start = due + waits + 1 if line == self._prefetched else max(due + waits + 1, self._busy_until)
            self._prefetch_ready = start + self.settings.wait_states
            self._prefetched = line + 1
            self._busy_until = self._prefetch_ready + 1
        return waits

    def _waits_for(self, line: int, due: int) -> int:
        if line == self._prefetched:
            self.instructions.use(line)
            return max(0, self._prefetch_ready - due)
        if line in self.instructions:
            self.instructions.use(line)
            return 0
        self.instructions.use(line)
        return self._read_array(due)

    def _read_array(self, due: int) -> int:
        """Waits of a read of the array wanted at `due`, once the read in progress is over."""
        start = max(due, self._busy_until)
        self._busy_until = start + self.settings.wait_states + 1
        return start + self.settings.wait_states - due

    def read(self, address: int, size: int, issued: int) -> int:
        """Cycles that a data read of `size` bytes waits, its first address having gone out in cycle `issued`."""
        address = canonical(address)
        if not self._waits(address):
            return 0
        waits = 0
        for line in range(address >> self._shift, (address + size - 1 >> self._shift) + 1):
            if line not in self.data:
                waits += self._read_array(issued + 1 + waits)
            self.data.use(line)
        return waits
