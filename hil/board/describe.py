"""A description made a Board: the chip's part filled in, the rest worked out and checked against its limits."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from hil.board import chips
from hil.board.clock import ClockTree, check_source, clock_tree
from hil.board.family import DMA_BASES, UARTS, pins
from hil.board.figures import DOCUMENTED, Figures
from hil.board.schema import BoardTable, ChipTable, ProbeTable, SdramTable, line_of, read
from hil.errors import HilError

SDRAM_ORIGINS = {1: 0xC000_0000, 2: 0xD000_0000}  # by bank of the FMC
PLACES = {  # from where to where each memory may lie: as an STM32F4's, but there may be more of it
    "flash": (0x0800_0000, 0x0A00_0000), "sram": (0x2000_0000, 0x2200_0000), "ccm": (0x1000_0000, 0x1100_0000),
    "sdram": (0xC000_0000, 0xE000_0000),
}  # fmt: skip
BAUD_TOLERANCE = 0.02  # of what the divider makes of it
SAMPLES = 16  # a bit


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
    """A DMA stream that serves the UART."""

    controller: str
    base: int
    stream: int
    channel: int


@dataclass(frozen=True)
class Uart:
    """The serial port that carries the link. bus_hz: its clock; rx_dma, tx_dma: None where interrupts do it."""

    peripheral: str
    base: int
    irq: int
    tx_pin: str
    rx_pin: str
    baud: int
    bus_hz: int
    rx_dma: DmaStream | None
    tx_dma: DmaStream | None


@dataclass(frozen=True)
class Probe:
    """How the board is found on USB and flashed."""

    usb: tuple[str, ...]
    tools: tuple[str, ...]  # for flashing; the first that is installed is used
    pyocd_target: str
    openocd_board: str


@dataclass(frozen=True)
class Sdram:
    """The SDRAM behind the FMC: its place, and what its controller must be told."""

    memory: Memory
    table: SdramTable


@dataclass(frozen=True)
class Board:
    """Everything the bench knows about a board. device_id: DBGMCU_IDCODE[11:0]; line: what is known of its chip."""

    name: str
    title: str
    chip: str
    line: ChipTable
    device_id: int
    clock_hz: int
    hse_hz: int
    hse_is_clock: bool
    clock: ClockTree
    stack_bytes: int
    sram_reserved: int
    ccm_reserved: int
    memory: dict[str, Memory]
    uart: Uart
    probe: Probe
    folder: Path = field(compare=False)
    fmc: SdramTable | None = None
    timing: Figures = DOCUMENTED  # measured on the board

    @property
    def flash(self) -> Memory:
        return self.memory["flash"]

    @property
    def flash_wait_states(self) -> int:
        return self.clock.wait_states

    @property
    def ccm(self) -> Memory | None:
        """Memory at the core's data bus alone; None on a chip that has none."""
        return self.memory.get("ccm")

    @property
    def sdram(self) -> Memory | None:
        """Memory beside the chip, slow and plenty; None on a board that has none."""
        return self.memory.get("sdram")

    @property
    def rams(self) -> tuple[Memory, ...]:
        """All that variables can lie in: SRAM, and CCM and SDRAM where there are any."""
        return tuple(memory for memory in (self.sram, self.ccm, self.sdram) if memory is not None)

    @property
    def sram_banks(self) -> tuple[Memory, ...]:
        """SRAM1 and its neighbours, each a slave of the bus matrix, by address."""
        return tuple(sorted((m for n, m in self.memory.items() if n.startswith("sram")), key=lambda m: m.origin))

    @property
    def bank_ends(self) -> tuple[int, int]:
        """The addresses past SRAM1 and past SRAM2; the SRAM's end where there is no second bank."""
        ends = [bank.end for bank in self.sram_banks]
        return ends[0], ends[min(1, len(ends) - 1)]

    @property
    def sram(self) -> Memory:
        """The banks as the one contiguous stretch they form."""
        banks = self.sram_banks
        return Memory("sram", banks[0].origin, banks[-1].end - banks[0].origin)

    @property
    def idcode(self) -> int:
        """DBGMCU_IDCODE of the board's revision."""
        return self.line.idcode & ~0xFFF | self.device_id

    @property
    def device_ids(self) -> tuple[int, ...]:
        """What the chip's revisions may say they are."""
        return (self.device_id, *self.line.other_ids)


def load_folder(folder: Path) -> Board:
    """The board of a folder with a board.toml. Raises HilError: file, line, what is wrong and what would be right."""
    path = folder / "board.toml"
    table = read(path, BoardTable)
    try:
        return board_of(table, folder)
    except HilError as error:
        said = str(error)
        given = re.match(r"[\w.]+", said)
        line = line_of(path.read_text(encoding="utf-8"), given[0] if given else "")
        raise HilError(f"{path}, line {line}: {said}") from error


def board_of(table: BoardTable, folder: Path) -> Board:
    """A description as a board. Raises HilError that begins with the field that is wrong."""
    line = chips.chip(table.chip)
    device_id = line.idcode & 0xFFF if table.device_id is None else table.device_id
    _check_identity(table, line, device_id)
    check_source(table.hse_hz, table.hse_is_clock)
    tree = clock_tree(table.clock_hz, table.hse_hz, line.clock)
    return Board(
        name=table.name,
        title=table.title,
        chip=table.chip,
        line=line,
        device_id=device_id,
        clock_hz=table.clock_hz,
        hse_hz=table.hse_hz,
        hse_is_clock=table.hse_is_clock,
        clock=tree,
        stack_bytes=table.stack_bytes,
        sram_reserved=table.sram_reserved,
        ccm_reserved=table.ccm_reserved,
        memory=_memories(table, line),
        uart=_uart(table, line, tree),
        probe=_probe(table.probe),
        folder=folder,
        fmc=table.sdram,
        timing=table.timing,
    )


def _check_identity(table: BoardTable, line: ChipTable, device_id: int) -> None:
    fitting = (line.idcode & 0xFFF, *line.other_ids)
    if device_id in fitting:
        return
    if device_id not in chips.device_ids():
        raise HilError(f"device_id {device_id:#05x}: no STM32F4 has it; the {table.chip}'s is {fitting[0]:#05x}")
    raise HilError(f"device_id {device_id:#05x}: another chip's, the {table.chip}'s is {fitting[0]:#05x}: leave it out")


def _memories(table: BoardTable, line: ChipTable) -> dict[str, Memory]:
    known = chips.memories(table.chip, line) | table.memory
    found = {name: Memory(name, one.origin, one.bytes, one.dma, one.executable) for name, one in known.items()}
    if table.sdram is not None:
        if not line.has_sdram:
            raise HilError(f"sdram: the {table.chip} has no SDRAM controller")
        outside = table.sdram
        size = (1 << outside.column_bits + outside.row_bits + 2) * outside.bus_bits // 8
        found["sdram"] = Memory("sdram", SDRAM_ORIGINS[outside.bank], size, executable=False)
    for one, other in combinations(found.values(), 2):
        if one.origin < other.end and other.origin < one.end:
            raise HilError(
                f"memory.{other.name}: {other.bytes:,} bytes at {other.origin:#010x} overlap {one.name} "
                f"({one.bytes:,} bytes at {one.origin:#010x})"
            )
    banks = sorted((m for name, m in found.items() if name.startswith("sram")), key=lambda m: m.origin)
    for low, high in zip(banks, banks[1:], strict=False):
        if low.end != high.origin:
            raise HilError(
                f"memory.{high.name}: it begins at {high.origin:#010x}, {low.name} ends at {low.end:#010x}; "
                "banks lie side by side"
            )
    for name, one in found.items():
        start, end = PLACES[name.rstrip("123456789")]
        if one.origin < start or one.end > end:
            raise HilError(
                f"memory.{name}: {one.bytes:,} bytes at {one.origin:#010x}; "
                f"an STM32F4 would have it from {start:#010x} to {end:#010x}"
            )
    if table.stack_bytes + table.sram_reserved > sum(bank.bytes for bank in banks):
        raise HilError(f"sram_reserved: {table.sram_reserved:,} bytes and the stack are more than the SRAM")
    return found


def _uart(table: BoardTable, line: ChipTable, tree: ClockTree) -> Uart:
    given = table.uart
    if given.peripheral not in line.uarts:
        raise HilError(f"uart.peripheral {given.peripheral}: the {table.chip} has {', '.join(line.uarts)}")
    port = UARTS[given.peripheral]
    for way, pin in (("tx", given.tx_pin), ("rx", given.rx_pin)):
        carried = [one for one in pins(given.peripheral, table.chip, way) if one[1] in line.ports]
        if pin not in carried:
            raise HilError(
                f"uart.{way}_pin {pin}: {given.peripheral.upper()}'s {way.upper()} is on {' or '.join(carried)}"
            )
    bus_hz = table.clock_hz // (tree.apb1 if port.apb == 1 else tree.apb2)
    _check_baud(given.baud, bus_hz, given.peripheral)
    streams = [DmaStream(port.dma, DMA_BASES[port.dma], *way) if given.dma else None for way in (port.rx, port.tx)]
    return Uart(given.peripheral, port.base, port.irq, given.tx_pin, given.rx_pin, given.baud, bus_hz, *streams)


def _check_baud(baud: int, bus_hz: int, peripheral: str) -> None:
    divider = (bus_hz + baud // 2) // baud
    made = bus_hz / max(divider, SAMPLES)
    if abs(made / baud - 1) > BAUD_TOLERANCE:
        raise HilError(
            f"uart.baud {baud:,}: {peripheral.upper()} at {bus_hz:,} Hz makes {made:,.0f} of it, "
            f"{made / baud - 1:+.1%}; at most {BAUD_TOLERANCE:.0%} will do"
        )


def _probe(table: ProbeTable) -> Probe:
    return Probe(tuple(table.usb), tuple(table.tools), table.pyocd_target, table.openocd_board)
