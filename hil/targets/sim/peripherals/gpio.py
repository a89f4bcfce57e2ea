"""A GPIO port (RM0090, 8.4): outputs read back what was written, inputs read 0.

The output levels lie in a word that native code shares (hil.targets.sim.core.answering): a program that drives a bus
pin by pin writes them millions of times.
"""

from __future__ import annotations

from typing import Any

from hil.targets.sim.core import words as at
from hil.targets.sim.peripherals.registers import RegisterFile

_MODER, _PUPDR, _OSPEEDR, _IDR, _ODR, _BSRR = 0x00, 0x0C, 0x08, 0x10, 0x14, 0x18
_DEBUG_PINS = {"A": {_MODER: 0xA800_0000, _PUPDR: 0x6400_0000}, "B": {_MODER: 0x280, _OSPEEDR: 0xC0, _PUPDR: 0x100}}


class Gpio(RegisterFile):
    """One port, "A" to "I". words: hil.targets.sim.core.words."""

    def __init__(self, port: str, words: Any) -> None:
        self.RESET = _DEBUG_PINS.get(port, {})
        self._words, self._word = words, at.GPIO_OUTPUTS + ord(port) - ord("A")
        super().__init__()

    def reset(self) -> None:
        super().reset()
        self._levels = 0

    @property
    def _levels(self) -> int:
        """ODR."""
        return int(self._words[self._word])

    @_levels.setter
    def _levels(self, levels: int) -> None:
        self._words[self._word] = levels & 0xFFFF

    def read(self, offset: int) -> int:
        if offset == _IDR:
            outputs = sum(1 << pin for pin in range(16) if self.values.get(_MODER, 0) >> 2 * pin & 3 == 1)
            return self._levels & outputs
        return self.peek(offset)

    def peek(self, offset: int) -> int:
        return self._levels if offset == _ODR else 0 if offset == _BSRR else super().peek(offset)

    def write(self, offset: int, value: int) -> None:
        if offset == _BSRR:
            self._levels = self._levels & ~(value >> 16) | value
        elif offset == _ODR:
            self._levels = value
        elif offset != _IDR:
            super().write(offset, value)
