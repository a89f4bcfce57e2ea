"""Debug MCU block: which chip this is (RM0090, 38.6)."""

from __future__ import annotations

from hil.targets.sim.peripherals.registers import RegisterFile

_IDCODE = 0x00


class DbgMcu(RegisterFile):
    """Registers at 0xE0042000."""

    def __init__(self, idcode: int) -> None:
        self._code = idcode
        super().__init__()

    def read(self, offset: int) -> int:
        return self._code if offset == _IDCODE else super().read(offset)
