"""A board is described four times: board.toml, memory.ld, board.h and the .repl. They and the sim's map must agree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import unicorn

from hil import board
from hil.board import Board
from hil.targets.sim import chip
from hil.targets.sim.core.memory import Memory
from hil.targets.sim.peripherals.dma import INTERRUPTS as DMA_INTERRUPTS

REPOSITORY = Path(__file__).resolve().parent.parent
BOARDS = board.names()
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20}


@dataclass
class Entry:
    """One peripheral of a .repl."""

    type: str
    addresses: list[int]
    attributes: dict[str, str] = field(default_factory=dict)


def platform(path: Path) -> dict[str, Entry]:
    """The peripherals of a .repl and of those it includes, by name."""
    text = re.sub(r"//.*", "", path.read_text())
    entries: dict[str, Entry] = {}
    for included in re.findall(r'^using "(.+)"', text, re.MULTILINE):
        entries |= platform(path.parent / included)
    heads = list(re.finditer(r"^(\w+): ([\w.]+) @ (\{[^}]*\}|.*)$", text, re.MULTILINE))
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        body = text[head.end() : following.start() if following else len(text)]
        addresses = [int(found, 16) for found in re.findall(r"sysbus <?(0x[0-9A-Fa-f]+)", head[3])]
        attributes = dict(re.findall(r"^ {4}([\w\[\]\-]+)(?:: | -> )(.+)$", body, re.MULTILINE))
        entries[head[1]] = Entry(head[2], addresses, attributes)
    return entries


def linker_regions(path: Path) -> dict[str, tuple[int, int]]:
    """(origin, bytes) of each region of a linker script, by its name in lower case."""
    regions = {}
    for name, origin, length in re.findall(r"(\w+) \(\w+\) : ORIGIN = (\w+), LENGTH = ([\w +]+)", path.read_text()):
        parts = re.findall(r"(\d+)([KM]?)", length)
        regions[name.lower()] = int(origin, 16), sum(int(number) * UNITS[unit] for number, unit in parts)
    return regions


def defines(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^#define (\w+) (\w+)", path.read_text(), re.MULTILINE))


@pytest.fixture(params=BOARDS)
def described(request: pytest.FixtureRequest) -> Board:
    return board.load(request.param)


@pytest.fixture
def repl(described: Board) -> dict[str, Entry]:
    return platform(described.folder / f"{described.name}.repl")


def disagreements(described: Board, repl: dict[str, Entry], linker: dict[str, tuple[int, int]]) -> Iterator[str]:
    """Memories that the .repl or the linker script places or sizes otherwise than board.toml."""
    for memory in (described.flash, described.sram, described.ccm):
        expected = memory.origin, memory.bytes
        entry = repl[memory.name]
        if (entry.addresses[0], int(entry.attributes["size"], 16)) != expected:
            yield f"{memory.name} of the .repl"
        if linker[memory.name] != expected:
            yield f"{memory.name} of memory.ld"


def test_memories_are_the_same_for_compiler_and_emulators(described: Board, repl: dict[str, Entry]) -> None:
    assert list(disagreements(described, repl, linker_regions(described.folder / "memory.ld"))) == []
    simulated = Memory(unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS), described)
    for region in (simulated.flash, simulated.sram, simulated.ccm):
        assert (region.origin, len(region.data)) == (
            repl[region.name].addresses[0],
            int(repl[region.name].attributes["size"], 16),
        )


def test_a_memory_of_another_size_is_noticed(described: Board, repl: dict[str, Entry]) -> None:
    linker = linker_regions(described.folder / "memory.ld")
    repl["sram"].attributes["size"] = "0x40000"  # what Renode's own platform has
    linker["ccm"] = linker["ccm"][0], linker["ccm"][1] + 4
    assert list(disagreements(described, repl, linker)) == ["sram of the .repl", "ccm of memory.ld"]


def test_flash_shows_at_zero_as_well(repl: dict[str, Entry]) -> None:
    assert repl["flash"].addresses == [0x0800_0000, 0]


def test_the_f429_alone_has_sdram() -> None:
    found = {name: platform(board.load(name).folder / f"{name}.repl").get("sdram") for name in BOARDS}
    assert found["stm32f407_disco"] is None
    sdram = found["stm32f429_disco"]
    assert sdram is not None and (sdram.addresses, sdram.attributes["size"]) == ([0xD000_0000], "0x800000")


def test_the_links_uart_and_dma_are_wired_as_the_firmware_expects(described: Board, repl: dict[str, Entry]) -> None:
    uart, header = described.uart, defines(described.folder / "board.h")
    entry = repl[uart.peripheral]
    assert entry.addresses == [uart.base]
    assert entry.attributes["IRQ"] == f"nvic@{uart.irq}" == f"nvic@{header['BOARD_UART_IRQ']}"
    assert entry.attributes["DMARequest"] == f"{uart.rx_dma.controller}@{uart.rx_dma.stream}"
    assert int(entry.attributes["frequency"]) == uart.bus_hz == int(header["BOARD_UART_BUS_HZ"])
    assert repl[uart.rx_dma.controller].addresses == [uart.rx_dma.base]
    assert int(header["BOARD_RX_STREAM"]) == uart.rx_dma.stream


def test_peripherals_lie_and_interrupt_where_the_sims_do(repl: dict[str, Entry]) -> None:
    for name, (base, interrupt, *_) in chip._USARTS.items():
        if name in repl:
            assert (repl[name].addresses, repl[name].attributes["IRQ"]) == ([base], f"nvic@{interrupt}")
    for name, interrupts in DMA_INTERRUPTS.items():
        spans = re.findall(r"(\d+)(?:-(\d+))?", repl[name].attributes["[0-7]"].removeprefix("nvic@"))
        assert tuple(n for first, last in spans for n in range(int(first), int(last or first) + 1)) == interrupts
        assert repl[name].addresses == [chip._DMAS[name][0]]


def test_clocks_and_identity_are_the_boards(described: Board, repl: dict[str, Entry]) -> None:
    assert int(repl["nvic"].attributes["systickFrequency"]) == described.clock_hz
    identity = re.search(r"0x[0-9A-Fa-f]{8}", repl["dbgmcu"].attributes["script"])
    assert identity is not None and int(identity[0], 16) & 0xFFF == described.device_id


def test_the_cycle_counter_of_renode_counts_each_instruction(repl: dict[str, Entry]) -> None:
    millions = int(repl["cpu"].attributes["PerformanceInMips"])
    assert int(repl["dwt"].attributes["frequency"]) == millions * 1_000_000
    assert 1000 % millions == 0  # an instruction takes a whole number of nanoseconds, Renode's unit of time


def test_the_script_for_by_hand_uses_the_boards_platform_and_uart(described: Board) -> None:
    script = (described.folder / "run.resc").read_text()
    assert f"LoadPlatformDescription $ORIGIN/{described.name}.repl" in script
    assert f"connector Connect sysbus.{described.uart.peripheral} link" in script
    included = re.findall(r"\$ORIGIN/(\.\./renode/\w+\.cs)", script)
    assert all((described.folder / path).is_file() for path in included)
    suite = (REPOSITORY / "robot_tests" / "_renode" / "firmware.robot").read_text()
    needed = set(re.findall(r"\bStm32f4\w+(?= @)", (described.folder.parent / "renode" / "stm32f4.repl").read_text()))
    assert {Path(path).stem for path in included} == needed | {"AccessGuard"}
    assert [Path(path).stem for path in included] == re.findall(r" IN +(.+)", suite)[0].split()
