"""What is on the die: the core, the buses and the peripherals, wired together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from hil.board import Board
from hil.board.family import DMA_BASES, DMA_ENABLE_BITS, UARTS, Port
from hil.targets.sim.core import words as at
from hil.targets.sim.core.core import Core
from hil.targets.sim.core.priorities import set_deadline
from hil.targets.sim.events import Events
from hil.targets.sim.peripherals import scs
from hil.targets.sim.peripherals.bitband import BitBand
from hil.targets.sim.peripherals.bus import Bus
from hil.targets.sim.peripherals.dbgmcu import DbgMcu
from hil.targets.sim.peripherals.dma import Dma
from hil.targets.sim.peripherals.dwt import Demcr, Dwt
from hil.targets.sim.peripherals.ending import Ending
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
from hil.targets.sim.peripherals.watchdogs import IndependentWatchdog, OnBite, WindowWatchdog
from hil.timing.cost_model import CostModel

_APB_ENABLE = {1: APB1ENR, 2: APB2ENR}


class Chip:
    """One STM32F4, as the board's description has it. request_reset is called when the firmware asks for a reset."""

    def __init__(
        self, board: Board, model: CostModel, request_reset: Callable[[], None], where: Callable[[], str]
    ) -> None:
        self.on_clock: Callable[[int], None] = lambda hclk_hz: None  # set by the board, which keeps the time
        self.core = core = Core(board, model)
        self.events = Events(self.look_ahead)
        self.nvic = Nvic(board.line.interrupts, core.words, self.look_ahead)
        self.scb = Scb(core, self.nvic, request_reset)
        self.systick = SysTick(core)
        self.demcr = Demcr()
        self.dwt = Dwt(core, self.demcr)
        self.rcc = Rcc(board, self._clock_changed)
        self.flash = FlashInterface(core, lambda: self.rcc.hclk_hz)
        self.ending = Ending(core, self.look_ahead)
        self.dmas = [Dma(name, number, core, self.nvic, self.ending) for number, name in enumerate(DMA_BASES)]
        self.rcc.gated = self._gate
        self.usarts = {name: self._make_usart(name, UARTS[name]) for name in board.line.uarts}
        self.bus = Bus(core, where)
        self.bit_band = BitBand(core, self.bus)
        self.on_bite: OnBite = lambda flags, why: None  # set by the board, which resets
        self.iwdg = IndependentWatchdog(core, self.events, lambda: self.rcc.hclk_hz, lambda *bite: self.on_bite(*bite))
        self.wwdg = WindowWatchdog(
            core, self.events, self.nvic, lambda: self.rcc.apb1_divider, lambda *bite: self.on_bite(*bite)
        )
        self._peripherals: list[Peripheral] = [self.nvic, self.scb, self.systick, self.demcr, self.dwt, self.flash]
        self._peripherals += [*self.dmas, *self.usarts.values()]
        self._place_core_peripherals(board)
        self._place_chip_peripherals(board)
        if board.sdram is not None:
            sdram = Fmc(board.sdram, lambda: self.rcc.hclk_hz, core.open_sdram, core.close_sdram)
            self._add(FMC_BASE, sdram, AHB3ENR, 0)

    def _make_usart(self, name: str, port: Port) -> Usart:
        def clock() -> tuple[int, int]:
            divider = self.rcc.apb1_divider if port.apb == 1 else self.rcc.apb2_divider
            return self.rcc.hclk_hz // divider, divider

        dmas = (self.dmas[0], self.dmas[1])
        return Usart(name, port.irq, self.nvic, self.events, dmas, lambda: self.core.now, clock)

    def _place_core_peripherals(self, board: Board) -> None:
        space = scs.SystemControlSpace(self.systick, self.nvic, self.scb, self.demcr)
        for page in scs.PAGES:
            self.bus.place(page, space, base=scs.BASE)
        self.bus.place(0xE000_1000, self.dwt)
        self.bus.place(0xE000_1C00, RegisterFile(), base=0xE000_1000)  # DWT's lock and identification
        for trace in (0xE000_0000, 0xE000_0C00, 0xE004_0000, 0xE004_0C00):  # ITM and TPIU: nobody listens
            self._add(trace, RegisterFile())
        self.bus.place(0xE004_2000, DbgMcu(board.idcode))

    def _place_chip_peripherals(self, board: Board) -> None:
        self.bus.place(0x4002_3800, self.rcc)
        self.bus.place(0x4002_3C00, self.flash)
        self._add(0x4000_3000, self.iwdg)
        self._add(0x4000_2C00, self.wwdg, APB1ENR, 11)
        self._add(0x4000_7000, Pwr(), APB1ENR, 28)
        self._add(0x4001_3800, RegisterFile(), APB2ENR, 14)  # SYSCFG
        self._add(0x4001_3C00, RegisterFile())  # EXTI: no pin of this board changes
        for letter in board.line.ports:
            n = ord(letter) - ord("A")
            self._add(0x4002_0000 + 0x400 * n, Gpio(letter, self.core.words), AHB1ENR, n)
        for dma, base, bit in zip(self.dmas, DMA_BASES.values(), DMA_ENABLE_BITS.values(), strict=True):
            self.bus.place(base, dma, partial(self.rcc.is_on, AHB1ENR, bit))
        for name, usart in self.usarts.items():
            port = UARTS[name]
            self.bus.place(port.base, usart, partial(self.rcc.is_on, _APB_ENABLE[port.apb], port.enable_bit))

    def _add(self, origin: int, peripheral: Peripheral, register: int | None = None, bit: int = 0) -> None:
        """Place a peripheral, with its clock's enable bit where it has one, and reset it with the rest."""
        clocked = None if register is None else partial(self.rcc.is_on, register, bit)
        self.bus.place(origin, peripheral, clocked)
        self._peripherals.append(peripheral)

    @property
    def parts(self) -> Iterator[object]:
        """All on the die that has state of its own, each once, in an order that stays."""
        yield from (self, self.events, self.ending, self.bus.polling, self.bus.patience)
        yield from dict.fromkeys([*self._peripherals, *self.bus.peripherals])
        yield from (usart.outbox for usart in self.usarts.values())
        for dma in self.dmas:
            yield from dma.streams

    def reset(self, cause: int) -> None:
        """Reset every peripheral. cause: flags for RCC_CSR (rcc.RESET_*). Memory and time stay as they are."""
        self.rcc.note_cause(cause)
        self.rcc.reset()
        self.ending.reset()
        for peripheral in self._peripherals:
            peripheral.reset()
        self._clock_changed()

    def look_ahead(self) -> None:
        """Tell the core when to stop next: at the next event, or at once for a pending exception."""
        words = self.core.words
        words[at.EVENT] = min(self.events.next, at.NEVER)
        set_deadline.ctypes(self.core.state_address)

    def _gate(self) -> None:
        """Native code answers for a DMA controller and a port while their clocks are on."""
        self.core.words[at.GPIO_CLOCKS] = sum(self.rcc.is_on(AHB1ENR, n) << n for n in range(at.GPIOS))
        for dma, bit in zip(self.dmas, DMA_ENABLE_BITS.values(), strict=True):
            dma.is_clocked = self.rcc.is_on(AHB1ENR, bit)

    def _clock_changed(self) -> None:
        """A new core clock: the flash must be able to follow."""
        self.flash.check()
        self.on_clock(self.rcc.hclk_hz)
        for usart in self.usarts.values():
            usart.clock_changed()
        self.iwdg.clock_changed()
