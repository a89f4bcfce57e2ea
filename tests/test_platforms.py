"""All that is made of a board's description agrees: linker script, board.h, Renode's platform, the simulated chip."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import unicorn

from hil import board
from hil.board import Board, generate
from hil.board.family import DMA_BASES, DMA_INTERRUPTS, UARTS
from hil.targets.sim.core.memory import Memory

REPOSITORY = Path(__file__).resolve().parent.parent
BOARDS = board.names()
UNITS = {"K": 1 << 10, "M": 1 << 20}


@dataclass
class Entry:
    """One peripheral of a .repl."""

    type: str
    addresses: list[int]
    attributes: dict[str, str] = field(default_factory=dict)


def platform(text: str) -> dict[str, Entry]:
    """The peripherals of a .repl, by name."""
    text = re.sub(r"//.*", "", text)
    heads = list(re.finditer(r"^(\w+): ([\w.]+) @ (\{[^}]*\}|.*)$", text, re.MULTILINE))
    entries = {}
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        body = text[head.end() : following.start() if following else len(text)]
        addresses = [int(found, 16) for found in re.findall(r"sysbus <?(0x[0-9A-Fa-f]+)", head[3])]
        attributes = dict(re.findall(r"^ {4}([\w\[\]\-]+)(?:: | -> )(.+)$", body, re.MULTILINE))
        entries[head[1]] = Entry(head[2], addresses, attributes)
    return entries


def regions(script: str) -> dict[str, tuple[int, int]]:
    """(origin, bytes) of each region of a linker script, by its name in lower case."""
    found = re.findall(r"(\w+) \(\w+\) : ORIGIN = (\w+), LENGTH = (\d+)([KM])", script)
    return {name.lower(): (int(origin, 16), int(count) * UNITS[unit]) for name, origin, count, unit in found}


@pytest.fixture(params=BOARDS)
def described(request: pytest.FixtureRequest) -> Board:
    return board.load(request.param)


@pytest.fixture
def repl(described: Board) -> dict[str, Entry]:
    return platform(generate.renode_platform(described))


def test_memories_are_the_same_for_compiler_and_emulators(described: Board, repl: dict[str, Entry]) -> None:
    expected = {memory.name: (memory.origin, memory.bytes) for memory in (described.flash, *described.rams)}
    assert regions(generate.linker_script(described)) == expected
    memories = {name: entry for name, entry in repl.items() if entry.type == "Memory.MappedMemory"}
    assert {name: (e.addresses[0], int(e.attributes["size"], 16)) for name, e in memories.items()} == expected
    simulated = Memory(unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS), described)
    assert {region.name: (region.origin, len(region.data)) for region in (simulated.flash, *simulated.rams)} == expected


def test_without_ccm_its_sections_go_to_sram(described: Board) -> None:
    assert ('REGION_ALIAS("CCM", SRAM)' in generate.linker_script(described)) == (described.ccm is None)


def test_flash_shows_at_zero_as_well(repl: dict[str, Entry]) -> None:
    assert repl["flash"].addresses == [0x0800_0000, 0]


def test_the_links_uart_and_dma_are_wired_as_the_firmware_expects(described: Board, repl: dict[str, Entry]) -> None:
    uart = described.uart
    header = dict(re.findall(r"^#define (\w+) (.+?)(?: +//.*)?$", generate.board_header(described), re.M))
    entry, port = repl[uart.peripheral], UARTS[uart.peripheral]
    assert entry.addresses == [uart.base] == [port.base]
    assert header["BOARD_UART"] == f"((usart_t *){uart.base:#010x})"
    assert entry.attributes["IRQ"] == f"nvic@{uart.irq}" == f"nvic@{header['BOARD_UART_IRQ']}"
    assert int(entry.attributes["frequency"]) == uart.bus_hz == int(header["BOARD_UART_BUS_HZ"])
    assert header["BOARD_TX_PORT"] == f"GPIO({'ABCDEFGHIJK'.index(uart.tx_pin[1])})"
    assert (header["BOARD_TX_PIN"], header["BOARD_RX_PIN"]) == (uart.tx_pin[2:], uart.rx_pin[2:])
    assert uart.rx_dma is not None and uart.tx_dma is not None
    assert entry.attributes["DMARequest"] == f"{uart.rx_dma.controller}@{uart.rx_dma.stream}"
    assert repl[uart.rx_dma.controller].addresses == [uart.rx_dma.base]
    assert (int(header["BOARD_RX_STREAM"]), int(header["BOARD_TX_STREAM"])) == (uart.rx_dma.stream, uart.tx_dma.stream)
    assert int(header["BOARD_TX_DMA_IRQ"]) == DMA_INTERRUPTS[uart.tx_dma.controller][uart.tx_dma.stream]


def test_dma_streams_interrupt_where_the_sims_do(repl: dict[str, Entry]) -> None:
    for name, base in DMA_BASES.items():
        assert repl[name].addresses == [base]
        assert repl[name].attributes["[0-7]"] == f"nvic@[{','.join(map(str, DMA_INTERRUPTS[name]))}]"


def test_clocks_and_identity_are_the_boards(described: Board, repl: dict[str, Entry]) -> None:
    assert int(repl["nvic"].attributes["systickFrequency"]) == described.clock_hz
    identity = re.search(r"0x[0-9A-Fa-f]{8}", repl["dbgmcu"].attributes["script"])
    assert identity is not None and int(identity[0], 16) & 0xFFF == described.device_id


def test_the_cycle_counter_of_renode_counts_each_instruction(repl: dict[str, Entry]) -> None:
    millions = int(repl["cpu"].attributes["PerformanceInMips"])
    assert int(repl["dwt"].attributes["frequency"]) == millions * 1_000_000
    assert 1000 % millions == 0  # an instruction takes a whole number of nanoseconds, Renode's unit of time


def test_the_script_for_by_hand_uses_the_boards_platform_and_uart(described: Board, tmp_path: Path) -> None:
    generate.write_renode(described, tmp_path)
    script = (tmp_path / "run.resc").read_text()
    assert f"LoadPlatformDescription $ORIGIN/{described.name}.repl" in script
    assert f"connector Connect sysbus.{described.uart.peripheral} link" in script
    included = re.findall(r"\$ORIGIN/(\w+\.cs)", script)
    assert all((tmp_path / name).is_file() for name in included)
    needed = set(re.findall(r"\bStm32f4\w+(?= @)", generate.renode_platform(described)))
    assert {Path(name).stem for name in included} == needed | {"AccessGuard"}


def test_presets_in_the_repository_are_those_of_the_shipped_boards() -> None:
    kept = json.loads((REPOSITORY / "CMakePresets.json").read_text())
    assert kept == json.loads(generate.presets([board.load(name) for name in BOARDS]))
