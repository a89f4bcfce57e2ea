"""What follows from a board's description, as text: board.h, memory.ld, CMake presets, Renode's platform and script."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from hil.board.clock import Pll
from hil.board.describe import Board
from hil.board.family import DMA_BASES, DMA_ENABLE_BITS, DMA_INTERRUPTS, UARTS
from hil.errors import HilError
from hil.paths import platforms

_PORTS = "ABCDEFGHIJK"
_GPIO_RESETS = {  # the debug pins (RM0090, 8.4)
    "A": {"modeResetValue": 0xA800_0000, "outputSpeedResetValue": 0x0C00_0000, "pullUpPullDownResetValue": 0x6400_0000},
    "B": {"modeResetValue": 0x280, "outputSpeedResetValue": 0xC0, "pullUpPullDownResetValue": 0x100},
}
_UNIQUE_ID = 0x210  # within the page
RENODE_CLASSES = ("Stm32f4Dma.cs", "Stm32f4Rcc.cs", "AccessGuard.cs")


def board_header(board: Board) -> str:
    """board.h: what the firmware's port is compiled with."""
    uart = board.uart
    masks = pin_masks(board.fmc.pins) if board.fmc else {}
    return _render(
        "board.h.j2",
        board=board,
        port=UARTS[uart.peripheral],
        ports=_PORTS,
        prescalers=_prescaler(board.clock.apb1) << 10 | _prescaler(board.clock.apb2) << 13,
        dma_bit=DMA_ENABLE_BITS[uart.rx_dma.controller] if uart.rx_dma else None,
        tx_irq=DMA_INTERRUPTS[uart.tx_dma.controller][uart.tx_dma.stream] if uart.tx_dma else None,
        uart_ports=sorted({_PORTS.index(pin[1]) for pin in (uart.tx_pin, uart.rx_pin)}),
        sdram_pins=masks,
        sdram_ports=sum(1 << _PORTS.index(letter) for letter in masks),
        megahertz=lambda hz: f"{hz / 1e6:g}",
        pll=lambda pll: _named(pll),
        cycles=lambda nanoseconds: max(1, math.ceil(nanoseconds * board.clock_hz / 2 / 1e9)),
    )


def linker_script(board: Board) -> str:
    """memory.ld: the memories; platforms/sections.ld says what goes where."""
    return _render("memory.ld.j2", board=board, size=_size)


def presets(boards: list[Board]) -> str:
    """CMakePresets.json: a configure and a build preset each board, and those for this computer."""
    hidden: list[dict[str, Any]] = [
        {
            "name": "board",
            "hidden": True,
            "generator": "Ninja",
            "binaryDir": "${sourceDir}/out/${presetName}",
            "cacheVariables": {"CMAKE_BUILD_TYPE": "None", "HIL_BOARD": "${presetName}"},
        },
        {
            "name": "cortex-m4",
            "hidden": True,
            "inherits": "board",
            "toolchainFile": "${sourceDir}/platforms/cortex-m4.cmake",
        },
    ]
    shown = [{"name": board.name, "displayName": board.title, "inherits": "cortex-m4"} for board in boards]
    shown.append({"name": "native", "displayName": "this computer", "inherits": "board"})
    content = {
        "version": 6,
        "cmakeMinimumRequired": {"major": 3, "minor": 25, "patch": 0},
        "configurePresets": hidden + shown,
        "buildPresets": [{"name": one["name"], "configurePreset": one["name"], "jobs": 4} for one in shown],
    }
    return json.dumps(content, indent=2) + "\n"


def renode_platform(board: Board) -> str:
    """NAME.repl: the board for Renode."""
    words = [int.from_bytes(f"RENODE-F{board.chip[6:9]} "[i : i + 4].encode(), "little") for i in (0, 4, 8)]
    return _render(
        "platform.repl.j2",
        board=board,
        ports=_PORTS,
        gpio_resets=_GPIO_RESETS,
        dma_bases=DMA_BASES,
        dma_interrupts=DMA_INTERRUPTS,
        uarts=UARTS,
        unique_id=[(_UNIQUE_ID + 4 * i, word) for i, word in enumerate(words)],
    )


def renode_script(board: Board) -> str:
    """run.resc: the board by hand, in a folder renode/ beside out/."""
    return _render("run.resc.j2", board=board)


def write_renode(board: Board, folder: Path) -> Path:
    """Write platform, script and our classes for Renode into a folder. Returns the platform's path."""
    folder.mkdir(parents=True, exist_ok=True)
    platform = _write_platform(board, folder)
    (folder / "run.resc").write_text(renode_script(board))
    return platform


def write_two_boards(board: Board, folder: Path) -> Path:
    """Write what Renode needs for a camera's and a detector's board in one emulation. Returns the script's path."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_platform(board, folder)
    script = folder / "two_boards.resc"
    script.write_text(_render("two_boards.resc.j2", board=board))
    return script


def _write_platform(board: Board, folder: Path) -> Path:
    platform = folder / f"{board.name}.repl"
    platform.write_text(renode_platform(board))
    for name in RENODE_CLASSES:
        (folder / name).write_text((platforms() / "renode" / name).read_text())
    return platform


def write_board(board: Board, folder: Path) -> None:
    """Write board.h and memory.ld into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "board.h").write_text(board_header(board))
    (folder / "memory.ld").write_text(linker_script(board))


def pin_masks(pins: str) -> dict[str, int]:
    """A bit a pin for each port: "PB5-6 PC0" is {"B": 0x60, "C": 1}. Raises HilError for what is no pin."""
    masks: dict[str, int] = {}
    for part in pins.split():
        found = re.fullmatch(r"P([A-K])(\d{1,2})(?:-(\d{1,2}))?", part)
        if found is None or int(found[3] or found[2]) > 15:
            raise HilError(f"sdram.pins: {part!r} is no pin; PB5 or PB5-6 would be")
        for pin in range(int(found[2]), int(found[3] or found[2]) + 1):
            masks[found[1]] = masks.get(found[1], 0) | 1 << pin
    return masks


def _named(pll: Pll) -> str:
    return f"M {pll.m}, N {pll.n}, P {pll.p}, Q {pll.q}"


def _prescaler(divider: int) -> int:
    return 0 if divider == 1 else 3 + divider.bit_length() - 1


def _size(count: int) -> str:
    return f"{count >> 20}M" if count % (1 << 20) == 0 else f"{count >> 10}K"


def _render(template: str, **names: Any) -> str:
    return _environment().get_template(template).render(**names)


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("hil.board"), undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
