"""Debug MCU block: which chip this is (RM0090, 38.6)."""

from __future__ import annotations

from hil.targets.sim.peripherals.registers import RegisterFile

_IDCODE = 0x00
_REVISIONS = {0x413: 0x1007, 0x419: 0x2003}  # of the chips on recent Discovery boards


class DbgMcu(RegisterFile):
    """Registers at 0xE0042000."""

    def __init__(self, device_id: int) -> None:
        self._code = _REVISIONS.get(device_id, 0x1000) << 16 | device_id
        super().__init__()

    def read(self, offset: int) -> int:
        return self._code if offset == _IDCODE else super().read(offset)
