"""A board: the chip, its memories, its clock and its UART, read from platforms/<name>/board.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from hil.errors import HilError
from hil.paths import platforms


@dataclass(frozen=True)
class Memory:
    """A stretch of addresses that the chip answers to."""

    name: str
    origin: int
    bytes: int
    dma: bool = True
    executable: bool = True

    @property
    def end(self) -> int:
        """The first address past it."""
        return self.origin + self.bytes


@dataclass(frozen=True)
class DmaStream:
    """The DMA stream that receives the UART's bytes."""

    controller: str
    base: int
    stream: int
    channel: int


@dataclass(frozen=True)
class Uart:
    """The serial port that carries the link."""

    peripheral: str
    base: int
    irq: int
    tx_pin: str
    rx_pin: str
    baud: int
    bus_hz: int
    rx_dma: DmaStream


@dataclass(frozen=True)
class Probe:
    """How the board is found on USB and flashed."""

    usb: tuple[str, ...]
    tools: tuple[str, ...]  # for flashing; the first that is installed is used
    pyocd_target: str
    openocd_board: str


@dataclass(frozen=True)
class Board:
    """Everything the bench knows about a board."""

    name: str
    title: str
    chip: str
    device_id: int
    clock_hz: int
    hse_hz: int
    flash_wait_states: int
    stack_bytes: int
    sram_reserved: int
    ccm_reserved: int
    memory: dict[str, Memory]
    uart: Uart
    probe: Probe
    folder: Path = field(compare=False)
    timing: dict[str, int] = field(default_factory=dict)  # measured on the board: hil.timing.statement.figures

    @property
    def flash(self) -> Memory:
        return self.memory["flash"]

    @property
    def ccm(self) -> Memory:
        return self.memory["ccm"]

    @property
    def sdram(self) -> Memory | None:
        """Memory beside the chip, slow and plenty; None on a board that has none."""
        return self.memory.get("sdram")

    @property
    def rams(self) -> tuple[Memory, ...]:
        """All that variables can lie in: SRAM, CCM and SDRAM, where there is any."""
        return (self.sram, self.ccm) if self.sdram is None else (self.sram, self.ccm, self.sdram)

    @property
    def sram(self) -> Memory:
        """SRAM1 and its neighbours as the one contiguous stretch they form."""
        banks = sorted((m for n, m in self.memory.items() if n.startswith("sram")), key=lambda m: m.origin)
        return Memory("sram", banks[0].origin, banks[-1].end - banks[0].origin)


def names() -> list[str]:
    """The boards there are, by name."""
    return sorted(path.parent.name for path in platforms().glob("*/board.toml"))


@cache
def load(name: str) -> Board:
    """Read a board's description. Raises HilError, with the known names, where there is none."""
    path = platforms() / name / "board.toml"
    if name not in names():
        raise HilError(f"no board is called {name!r}: choose one of {', '.join(names())}")
    table: dict[str, Any] = tomllib.loads(path.read_text())
    memory = {key: Memory(name=key, **value) for key, value in table.pop("memory").items()}
    uart = table.pop("uart")
    rx_dma = DmaStream(**uart.pop("rx_dma"))
    probe = table.pop("probe")
    return Board(
        **table,
        memory=memory,
        uart=Uart(**uart, rx_dma=rx_dma),
        probe=Probe(**probe | {key: tuple(probe[key]) for key in ("usb", "tools")}),
        folder=path.parent,
    )
