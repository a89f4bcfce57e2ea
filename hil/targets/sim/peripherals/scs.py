"""System control space: SysTick, NVIC, SCB and debug registers, which share the pages from 0xE000E000."""

from __future__ import annotations

from hil.targets.sim.peripherals.dwt import Demcr
from hil.targets.sim.peripherals.nvic import Nvic
from hil.targets.sim.peripherals.registers import Peripheral
from hil.targets.sim.peripherals.scb import Scb
from hil.targets.sim.peripherals.systick import SysTick

BASE = 0xE000_E000
PAGES = (0xE000_E000, 0xE000_E400, 0xE000_EC00)
_STIR = 0xF00


class SystemControlSpace(Peripheral):
    """Sends each offset to the block that has it."""

    def __init__(self, systick: SysTick, nvic: Nvic, scb: Scb, demcr: Demcr) -> None:
        self._systick, self._nvic, self._scb, self._demcr = systick, nvic, scb, demcr

    def _owner(self, offset: int) -> Peripheral:
        if 0x10 <= offset < 0x20:
            return self._systick
        if 0x100 <= offset < 0x500 or offset == _STIR:
            return self._nvic
        if 0xDF0 <= offset < 0xE00:
            return self._demcr
        return self._scb

    def read(self, offset: int) -> int:
        return self._owner(offset).read(offset)

    def write(self, offset: int, value: int) -> None:
        self._owner(offset).write(offset, value)

    def peek(self, offset: int) -> int:
        return self._owner(offset).peek(offset)
