"""What all STM32F4 have in common: where UARTs and DMA streams lie and how they are wired.

From the reference manuals RM0090 (F405 to F439), RM0368 (F401), RM0401 (F410), RM0383 (F411), RM0390 (F446), RM0402
(F412), RM0430 (F413), RM0386 (F469): memory map, vector table, DMA request mapping; pins from the data sheets'
alternate functions.
"""

from __future__ import annotations

from dataclasses import dataclass

FLASH_BYTES = {
    letter: kilobytes << 10
    for letter, kilobytes in zip("8BCDEFGHI", (64, 128, 256, 384, 512, 768, 1024, 1536, 2048), strict=True)
}
DMA_BASES = {"dma1": 0x4002_6000, "dma2": 0x4002_6400}
DMA_ENABLE_BITS = {"dma1": 21, "dma2": 22}  # of RCC_AHB1ENR
DMA_INTERRUPTS = {"dma1": (11, 12, 13, 14, 15, 16, 17, 47), "dma2": (56, 57, 58, 59, 60, 68, 69, 70)}  # by stream
_NEWER = ("STM32F410", "STM32F411", "STM32F412", "STM32F413", "STM32F423")


@dataclass(frozen=True)
class Port:
    """A USART or UART. enable_bit: of RCC_APBxENR; rx, tx: stream and channel of its DMA; af: of its pins."""

    base: int
    irq: int
    apb: int
    enable_bit: int
    dma: str
    rx: tuple[int, int]
    tx: tuple[int, int]
    af: int
    tx_pins: tuple[str, ...]
    rx_pins: tuple[str, ...]


UARTS = {
    "usart1": Port(0x4001_1000, 37, 2, 4, "dma2", (2, 4), (7, 4), 7, ("PA9", "PB6", "PA15"), ("PA10", "PB7", "PB3")),
    "usart2": Port(0x4000_4400, 38, 1, 17, "dma1", (5, 4), (6, 4), 7, ("PA2", "PD5"), ("PA3", "PD6")),
    "usart3": Port(0x4000_4800, 39, 1, 18, "dma1", (1, 4), (3, 4), 7, ("PB10", "PC10", "PD8"), ("PB11", "PC11", "PD9")),
    "uart4": Port(0x4000_4C00, 52, 1, 19, "dma1", (2, 4), (4, 4), 8, ("PA0", "PC10"), ("PA1", "PC11")),
    "uart5": Port(0x4000_5000, 53, 1, 20, "dma1", (0, 4), (7, 4), 8, ("PC12",), ("PD2",)),
    "usart6": Port(0x4001_1400, 71, 2, 5, "dma2", (1, 5), (6, 5), 8, ("PC6", "PG14", "PA11"), ("PC7", "PG9", "PA12")),
    "uart7": Port(0x4000_7800, 82, 1, 30, "dma1", (3, 5), (1, 5), 8, ("PE8", "PF7"), ("PE7", "PF6")),
    "uart8": Port(0x4000_7C00, 83, 1, 31, "dma1", (6, 5), (0, 5), 8, ("PE1",), ("PE0",)),
}
# pins that carry a function on some lines alone
ONLY_ON = {
    ("usart1", "PA15"): _NEWER,
    ("usart1", "PB3"): _NEWER,
    ("usart6", "PA11"): ("STM32F401", *_NEWER),
    ("usart6", "PA12"): ("STM32F401", *_NEWER),
}


def pins(uart: str, part: str, way: str) -> list[str]:
    """The pins that carry a UART's "tx" or "rx" on a part."""
    port = UARTS[uart]
    known = port.tx_pins if way == "tx" else port.rx_pins
    return [pin for pin in known if part.startswith(ONLY_ON.get((uart, pin), ("",)))]
