"""What is on the die: the core, the buses and the peripherals, wired together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hil.board import Board
from hil.targets.sim.core.core import Core
from hil.targets.sim.events import Events
from hil.targets.sim.peripherals import scs
from hil.targets.sim.peripherals.bitband import BitBand
from hil.targets.sim.peripherals.bus import Bus
from hil.targets.sim.peripherals.dbgmcu import DbgMcu
from hil.targets.sim.peripherals.dma import Dma
from hil.targets.sim.peripherals.dwt import Demcr, Dwt
from hil.targets.sim.peripherals.flash import FlashInterface
from hil.targets.sim.peripherals.fmc import BASE as FMC_BASE
from hil.targets.sim.peripherals.fmc import Fmc
from hil.targets.sim.peripherals.gpio import Gpio
from hil.targets.sim.peripherals.nvic import Nvic
from hil.targets.sim.peripherals.pwr import Pwr
from hil.targets.sim.peripherals.rcc import AHB1ENR, AHB3ENR, APB1ENR, APB2ENR, Rcc
from hil.targets.sim.peripherals.registers import Peripheral, RegisterFile
from hil.targets.sim.peripherals.scb import Scb
from hil.targets.sim.peripherals.systick import SysTick
from hil.targets.sim.peripherals.usart import Usart
from hil.timing.cost_model import CostModel

INTERRUPTS = {0x413: 82, 0x419: 91}  # by device id (RM0090, 12.2)
# name: base, interrupt, clock enable register and bit, whether it hangs on APB2
_USARTS = {
    "usart1": (0x4001_1000, 37, APB2ENR, 4, True),
    "usart2": (0x4000_4400, 38, APB1ENR, 17, False),
    "usart3": (0x4000_4800, 39, APB1ENR, 18, False),
    "uart4": (0x4000_4C00, 52, APB1ENR, 19, False),
    "uart5": (0x4000_5000, 53, APB1ENR, 20, False),
    "usart6": (0x4001_1400, 71, APB2ENR, 5, True),
}
_DMAS = {"dma1": (0x4002_6000, 21), "dma2": (0x4002_6400, 22)}


class Chip:
    """One STM32F407 or F429. request_reset is called when the firmware asks for a reset."""

    def __init__(
        self, board: Board, model: CostModel, request_reset: Callable[[], None], where: Callable[[], str]
    ) -> None:
        self._until = 0
        self.on_clock: Callable[[int], None] = lambda hclk_hz: None  # set by the board, which keeps the time
        self.core = core = Core(board, model)
        self.events = Events(self.look_ahead)
        self.nvic = Nvic(INTERRUPTS.get(board.device_id, 82), self.look_ahead)
        self.scb = Scb(core, self.nvic, request_reset)
        self.systick = SysTick(core, self.nvic, self.events)
        self.demcr = Demcr()
        self.dwt = Dwt(core, self.demcr)
        self.rcc = Rcc(board, self._clock_changed)
        self.flash = FlashInterface(core, lambda: self.rcc.hclk_hz)
        self.dmas = [Dma(name, core.memory, self.nvic) for name in _DMAS]
        self.usarts = {name: self._make_usart(name) for name in _USARTS}
        self.bus = Bus(core, where)
        self.bit_band = BitBand(core, self.bus)
        self._peripherals: list[Peripheral] = [self.nvic, self.scb, self.systick, self.demcr, self.dwt, self.flash]
        self._peripherals += [*self.dmas, *self.usarts.values()]
        self._place_core_peripherals(board)
        self._place_chip_peripherals()
        if board.sdram is not None:
            sdram = Fmc(board.sdram, lambda: self.rcc.hclk_hz, core.open_sdram, core.close_sdram)
            self._add(FMC_BASE, sdram, AHB3ENR, 0)

    def _make_usart(self, name: str) -> Usart:
        _, interrupt, _, _, on_apb2 = _USARTS[name]

        def clock() -> tuple[int, int]:
            divider = self.rcc.apb2_divider if on_apb2 else self.rcc.apb1_divider
            return self.rcc.hclk_hz // divider, divider

        dmas = (self.dmas[0], self.dmas[1])
        return Usart(name, interrupt, self.nvic, self.events, dmas, lambda: self.core.now, clock)

    def _place_core_peripherals(self, board: Board) -> None:
        space = scs.SystemControlSpace(self.systick, self.nvic, self.scb, self.demcr)
        for page in scs.PAGES:
            self.bus.place(page, space, base=scs.BASE)
        self.bus.place(0xE000_1000, self.dwt)
        self.bus.place(0xE000_1C00, RegisterFile(), base=0xE000_1000)  # DWT's lock and identification
        for trace in (0xE000_0000, 0xE000_0C00, 0xE004_0000, 0xE004_0C00):  # ITM and TPIU: nobody listens
            self._add(trace, RegisterFile())
        self.bus.place(0xE004_2000, DbgMcu(board.device_id))

    def _place_chip_peripherals(self) -> None:
        self.bus.place(0x4002_3800, self.rcc)
        self.bus.place(0x4002_3C00, self.flash)
        self._add(0x4000_7000, Pwr(), APB1ENR, 28)
        self._add(0x4001_3800, RegisterFile(), APB2ENR, 14)  # SYSCFG
        self._add(0x4001_3C00, RegisterFile())  # EXTI: no pin of this board changes
        for n, port in enumerate("ABCDEFGHI"):
            self._add(0x4002_0000 + 0x400 * n, Gpio(port), AHB1ENR, n)
        for dma, (base, bit) in zip(self.dmas, _DMAS.values(), strict=True):
            self.bus.place(base, dma, partial(self.rcc.is_on, AHB1ENR, bit))
        for name, (base, _, register, bit, _) in _USARTS.items():
            self.bus.place(base, self.usarts[name], partial(self.rcc.is_on, register, bit))

    def _add(self, origin: int, peripheral: Peripheral, register: int | None = None, bit: int = 0) -> None:
        """Place a peripheral, with its clock's enable bit where it has one, and reset it with the rest."""
        clocked = None if register is None else partial(self.rcc.is_on, register, bit)
        self.bus.place(origin, peripheral, clocked)
        self._peripherals.append(peripheral)

    def reset(self, cause: int) -> None:
        """Reset every peripheral. cause: flags for RCC_CSR (rcc.RESET_*). Memory and time stay as they are."""
        self.rcc.note_cause(cause)
        self.rcc.reset()
        for peripheral in self._peripherals:
            peripheral.reset()
        self._clock_changed()

    def look_ahead(self, until: int | None = None) -> None:
        """Tell the core when to stop next: `until`, the next event, or at once for a pending exception."""
        if until is not None:
            self._until = until
        following = self.nvic.next()
        level = None if following is None else self.nvic.level(following)
        self.core.set_deadline(min(self.events.next, self._until), level)

    def _clock_changed(self) -> None:
        """A new core clock: the flash must be able to follow."""
        self.flash.check()
        self.on_clock(self.rcc.hclk_hz)
