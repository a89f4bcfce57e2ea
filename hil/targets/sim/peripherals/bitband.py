"""Bit-banding: each bit of SRAM and of the peripherals as a word of its own (ARM DDI 0439, 3.7)."""

from __future__ import annotations

from hil.targets.sim.core import unicorn_api
from hil.targets.sim.core.core import Core
from hil.targets.sim.core.stops import NeedsExactPc
from hil.targets.sim.peripherals.bus import Bus

SRAM, SRAM_ALIAS = 0x2000_0000, 0x2200_0000
PERIPHERALS, PERIPHERAL_ALIAS = 0x4000_0000, 0x4200_0000
_MEGABYTE = 1 << 20
_PERIPHERAL_BYTES = 0x8_0000  # to the end of AHB1


class BitBand:
    """The two alias regions, as far as something lies behind them."""

    def __init__(self, core: Core, bus: Bus) -> None:
        self._core, self._bus = core, bus
        sram_bytes = min(len(core.memory.sram.data), _MEGABYTE)
        self._kept = (
            unicorn_api.map_registers(core.uc, SRAM_ALIAS, sram_bytes * 32, self._read_sram, self._write_sram),
            unicorn_api.map_registers(
                core.uc, PERIPHERAL_ALIAS, _PERIPHERAL_BYTES * 32, self._read_peripheral, self._write_peripheral
            ),
        )

    def _read_sram(self, _uc: int, offset: int, _size: int, _data: int) -> int:
        return int(self._core.memory.sram.data[offset >> 5]) >> (offset >> 2 & 7) & 1

    def _write_sram(self, _uc: int, offset: int, _size: int, value: int, _data: int) -> None:
        data, bit = self._core.memory.sram.data, 1 << (offset >> 2 & 7)
        byte = int(data[offset >> 5])
        data[offset >> 5] = byte | bit if value & 1 else byte & ~bit

    def _read_peripheral(self, _uc: int, offset: int, _size: int, _data: int) -> int:
        try:
            word = self._bus.read(PERIPHERALS + (offset >> 5 & ~3), 4)
            return word >> (offset >> 2 & 31) & 1
        except NeedsExactPc:
            self._core.repeat_access()
        except Exception as error:
            self._core.fail(error)
        return 0

    def _write_peripheral(self, _uc: int, offset: int, _size: int, value: int, _data: int) -> None:
        address, bit = PERIPHERALS + (offset >> 5 & ~3), 1 << (offset >> 2 & 31)
        try:
            word = self._bus.read(address, 4)
            self._bus.write(address, 4, word | bit if value & 1 else word & ~bit)
        except NeedsExactPc:
            self._core.repeat_access()
        except Exception as error:
            self._core.fail(error)
