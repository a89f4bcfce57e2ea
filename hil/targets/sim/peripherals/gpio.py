"""A GPIO port (RM0090, 8.4): outputs read back what was written, inputs read 0."""

from __future__ import annotations

from hil.targets.sim.peripherals.registers import RegisterFile

_MODER, _PUPDR, _OSPEEDR, _IDR, _ODR, _BSRR = 0x00, 0x0C, 0x08, 0x10, 0x14, 0x18
_DEBUG_PINS = {"A": {_MODER: 0xA800_0000, _PUPDR: 0x6400_0000}, "B": {_MODER: 0x280, _OSPEEDR: 0xC0, _PUPDR: 0x100}}


class Gpio(RegisterFile):
    """One port, "A" to "I"."""

    def __init__(self, port: str) -> None:
        self.RESET = _DEBUG_PINS.get(port, {})
        super().__init__()

    def read(self, offset: int) -> int:
        if offset == _IDR:
            outputs = sum(1 << pin for pin in range(16) if self.values.get(_MODER, 0) >> 2 * pin & 3 == 1)
            return self.values.get(_ODR, 0) & outputs
        return 0 if offset == _BSRR else super().read(offset)

    def write(self, offset: int, value: int) -> None:
        if offset == _BSRR:
            level = self.values.get(_ODR, 0)
            super().write(_ODR, (level & ~(value >> 16) | value) & 0xFFFF)
        elif offset != _IDR:
            super().write(offset, value)
