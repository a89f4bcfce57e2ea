"""Power control (RM0090, 5.4): the regulator is ready at once."""

from __future__ import annotations

from hil.targets.sim.peripherals.registers import RegisterFile

_CR, _CSR = 0x00, 0x04
_ODEN, _ODSWEN = 1 << 16, 1 << 17  # over-drive, F42x only; its ready flags are the same bits of CSR
_VOSRDY = 1 << 14


class Pwr(RegisterFile):
    """Registers at 0x40007000."""

    RESET = {_CR: 0xC000}

    def read(self, offset: int) -> int:
        if offset == _CSR:
            return super().read(_CSR) | _VOSRDY | self.values[_CR] & (_ODEN | _ODSWEN)
        return super().read(offset)
