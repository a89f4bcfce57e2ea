"""The SDRAM controller of the FMC (RM0090, 37.7; F42x only): whether start-up brought the board's SDRAM to life.

Commands end at once. What is checked is what the SDRAM would not forgive: the order of commands, a geometry and a
latency that are its own, and a refresh that comes in time. An access before all that is done is a bus error here; the
chip's answer would be anything. What an access costs: hil/timing/statement/sdram.py.
"""

from __future__ import annotations

from collections.abc import Callable

from hil.board import Memory
from hil.targets.base import TargetError
from hil.targets.sim.peripherals.registers import RegisterFile

BASE = 0xA000_0000
SDCR, SDTR, SDCMR, SDRTR, SDSR = 0x140, 0x148, 0x150, 0x154, 0x158
_BANKS = {0xC000_0000: (0, 1 << 4), 0xD000_0000: (1, 1 << 3)}  # by address: number, target bit in SDCMR
_CLOCK, _PRECHARGE_ALL, _REFRESH, _LOAD_MODE, _SELF_REFRESH = 1, 2, 3, 4, 5
_ORDER = (_CLOCK, _PRECHARGE_ALL, _REFRESH, _LOAD_MODE)
_ROWS_IN_MS = 64.0  # every row is refreshed within


class Fmc(RegisterFile):
    """Registers from 0xA0000000. opened(): called when the SDRAM has become usable; closed(): when it no longer is."""

    RESET = {SDCR: 0x2D0, SDCR + 4: 0x2D0, SDTR: 0x0FFF_FFFF, SDTR + 4: 0x0FFF_FFFF}

    def __init__(
        self, sdram: Memory, hclk_hz: Callable[[], int], opened: Callable[[], None], closed: Callable[[], None]
    ) -> None:
        self._sdram, self._hclk_hz, self._opened, self._closed = sdram, hclk_hz, opened, closed
        self._bank, self._target = _BANKS[sdram.origin]
        super().__init__()

    def reset(self) -> None:
        super().reset()
        self._done: list[int] = []
        self._closed()

    def read(self, offset: int) -> int:
        return 0 if offset == SDSR else super().read(offset)  # never busy, in normal mode

    def write(self, offset: int, value: int) -> None:
        super().write(offset, value)
        if offset == SDCMR and value & self._target:
            self._command(value)
        elif offset == SDRTR and self._done == list(_ORDER):
            self._check_refresh(value >> 1 & 0x1FFF)
            self._opened()

    def _command(self, value: int) -> None:
        command = value & 7
        if len(self._done) == len(_ORDER) or command == _SELF_REFRESH:
            raise TargetError("the firmware sends the SDRAM a command after start-up, which is not modelled")
        if command != _ORDER[len(self._done)]:
            raise TargetError(
                f"the firmware sends the SDRAM command {command} where {_ORDER[len(self._done)]} is due: "
                "clock, precharge all, refresh, load mode (RM0090, 37.7.3)"
            )
        self._done.append(command)
        if command == _CLOCK:
            self._check_geometry()
        elif command == _LOAD_MODE and value >> 13 & 7 != self._control >> 7 & 3:
            raise TargetError(
                f"the SDRAM is told a CAS latency of {value >> 13 & 7}, the FMC one of {self._control >> 7 & 3}"
            )

    @property
    def _control(self) -> int:
        return self.values[SDCR + 4 * self._bank]

    def _check_geometry(self) -> None:
        control = self._control
        columns, rows, banks = 8 + (control & 3), 11 + (control >> 2 & 3), 1 + (control >> 6 & 1)
        size = (1 << columns + rows + banks) * (8 << (control >> 4 & 3)) // 8
        if size != self._sdram.bytes:
            raise TargetError(
                f"FMC_SDCR describes an SDRAM of {size} bytes ({columns} column bits, {rows} row bits, "
                f"{1 << banks} banks, {8 << (control >> 4 & 3)} bits wide), the board's has {self._sdram.bytes}"
            )

    def _check_refresh(self, count: int) -> None:
        divider = self.values[SDCR] >> 10 & 3
        rows = 1 << 11 + (self._control >> 2 & 3)
        milliseconds = count * rows * divider / self._hclk_hz() * 1e3
        if divider < 2 or count == 0 or milliseconds > _ROWS_IN_MS:
            raise TargetError(
                f"the SDRAM's rows are refreshed in {milliseconds:.1f} ms (FMC_SDRTR {count}, HCLK / {divider}), "
                f"expected at most {_ROWS_IN_MS:g} ms and a clock of HCLK / 2 or / 3"
            )
