"""Reset and clock control (RM0090, 7): oscillators that are ready at once, the clock tree, peripheral clocks."""

from __future__ import annotations

from collections.abc import Callable

from hil.board import Board
from hil.targets.base import TargetError
from hil.targets.sim.peripherals.registers import RegisterFile

CR, PLLCFGR, CFGR, CIR = 0x00, 0x04, 0x08, 0x0C
AHB1ENR, AHB2ENR, AHB3ENR, APB1ENR, APB2ENR, CSR = 0x30, 0x34, 0x38, 0x40, 0x44, 0x74
HSI_HZ = 16_000_000
_READY = {0: 1, 16: 17, 24: 25, 26: 27, 28: 29}  # CR: HSI, HSE, PLL, PLLI2S, PLLSAI: enable bit -> ready bit
_PLLSRC_HSE = 1 << 22
_HSI, _HSE, _PLL = 0, 1, 2
_RMVF = 1 << 24
RESET_PIN, RESET_POWER_ON, RESET_SOFTWARE = 1 << 26, 1 << 27 | 1 << 25, 1 << 28  # CSR flags


class Rcc(RegisterFile):
    """Registers at 0x40023800. changed() is called when a write may have changed the core's clock."""

    RESET = {CR: 0x83, PLLCFGR: 0x2400_3010, AHB1ENR: 0x0010_0000}
    gated: Callable[[], None] = staticmethod(lambda: None)  # peripherals' clocks may be on or off; set by who minds

    def __init__(self, board: Board, changed: Callable[[], None]) -> None:
        self._board, self._changed = board, changed
        self._cause = RESET_POWER_ON | RESET_PIN
        super().__init__()

    def reset(self) -> None:
        super().reset()
        self.values[CSR] = self._cause
        self._settle()
        self.gated()

    def note_cause(self, flags: int) -> None:
        """What the coming reset will show in CSR."""
        self._cause = flags | RESET_PIN

    def write(self, offset: int, value: int) -> None:
        if offset == CR:
            value = self._with_ready_bits(value | self._in_use())
        elif offset == PLLCFGR and self.values[CR] >> 24 & 1:
            return  # it can be written while the PLL is off (RM0090, 7.3.2)
        elif offset == CSR:
            value = (value | value << 1) & 0b11 | (0 if value & _RMVF else self.values[CSR] & 0xFE00_0000)  # LSIRDY
        elif offset == CFGR:
            value = value & ~0b1100 | self._switched_to(value & 0b11) << 2
        super().write(offset, value)
        self.gated()
        if offset in (CR, PLLCFGR, CFGR):
            self._settle()
            self._changed()

    def is_on(self, register: int, bit: int) -> bool:
        """Whether a peripheral's clock is enabled."""
        return bool(self.values.get(register, 0) >> bit & 1)

    def _with_ready_bits(self, value: int) -> int:
        for enable, ready in _READY.items():
            on = value >> enable & 1 and (enable < 24 or self._pll_input(value))
            value = value & ~(1 << ready) | (1 << ready if on else 0)
        return value

    def _in_use(self) -> int:
        """CR bits that cannot be cleared: of what the core's clock is made of at this moment (RM0090, 7.3.1)."""
        source = self.values.get(CFGR, 0) >> 2 & 0b11
        if source == _PLL:
            return 1 << 24 | (1 << 16 if self.values[PLLCFGR] & _PLLSRC_HSE else 1)
        return {_HSI: 1, _HSE: 1 << 16}.get(source, 0)

    def _pll_input(self, control: int) -> int:
        """Hz into the PLLs' divider; 0 where their source is off."""
        if self.values[PLLCFGR] & _PLLSRC_HSE:
            return self._board.hse_hz if control >> 16 & 1 else 0
        return HSI_HZ if control & 1 else 0

    def _switched_to(self, wanted: int) -> int:
        """SWS: the wanted source where it is ready, else the present one."""
        ready = {_HSI: 1, _HSE: 17, _PLL: 25}.get(wanted)
        present = self.values.get(CFGR, 0) >> 2 & 0b11
        return wanted if ready is not None and self.values[CR] >> ready & 1 else present

    def _settle(self) -> None:
        source = self.values.get(CFGR, 0) >> 2 & 0b11
        self.sysclk_hz = {_HSI: HSI_HZ, _HSE: self._board.hse_hz}.get(source) or self._pll_hz()
        cfgr = self.values.get(CFGR, 0)
        self.ahb_divider = _ahb_divider(cfgr >> 4 & 0xF)
        self.hclk_hz = self.sysclk_hz // self.ahb_divider
        self.apb1_divider = _apb_divider(cfgr >> 10 & 7)  # of HCLK
        self.apb2_divider = _apb_divider(cfgr >> 13 & 7)
        if self.hclk_hz <= 0:
            raise TargetError(
                f"the firmware runs the core by a PLL that gives no clock: check RCC_PLLCFGR "
                f"({self.values[PLLCFGR]:#010x})"
            )
        if self.hclk_hz > self._board.clock_hz:
            raise TargetError(
                f"the firmware sets the core's clock to {self.hclk_hz / 1e6:g} MHz, {self._board.name} runs at "
                f"{self._board.clock_hz / 1e6:g} MHz at most: check RCC_PLLCFGR ({self.values[PLLCFGR]:#010x})"
            )

    def _pll_hz(self) -> int:
        pll = self.values[PLLCFGR]
        m, n, p = pll & 0x3F, pll >> 6 & 0x1FF, ((pll >> 16 & 3) + 1) * 2
        return self._pll_input(self.values[CR]) * n // max(m, 1) // p


def _ahb_divider(code: int) -> int:
    return 1 if code < 8 else (2, 4, 8, 16, 64, 128, 256, 512)[code - 8]


def _apb_divider(code: int) -> int:
    return 1 if code < 4 else 2 << (code - 4)
