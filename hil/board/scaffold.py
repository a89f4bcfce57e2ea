"""A board's folder to begin with: what a few answers and the chip's file tell, and a list of what they do not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from hil.board import chips
from hil.board.describe import Board, load_folder
from hil.board.family import pins
from hil.board.schema import json_schema
from hil.errors import HilError
from hil.files import make_folder, write_text

SCHEMA = "board.schema.json"


@dataclass(frozen=True)
class Wishes:
    """What somebody says of a board. crystal_hz 0: there is none; the rest None: what the chip suggests."""

    chip: str
    uart: str
    tx_pin: str | None = None
    rx_pin: str | None = None
    crystal_hz: int = 0
    clock_hz: int | None = None
    baud: int = 921_600
    title: str | None = None


def new_board(folder: Path, wishes: Wishes) -> tuple[Board, list[str]]:
    """Write DIR/board.toml and its schema. Returns the board and a line for each thing that cannot be known.

    Raises HilError for a folder with a board in it, and for wishes that no board can fulfil; nothing is left then.
    """
    path = folder / "board.toml"
    if path.exists():
        raise HilError(f"{path} is there already: name another folder, or edit it")
    part, uart = wishes.chip.upper(), wishes.uart.lower()
    line = chips.chip(part)
    if uart not in line.uarts:
        raise HilError(f"uart {uart}: the {part} has {', '.join(line.uarts)}")
    make_folder(folder)
    write_text(path, _text(folder.name, part, uart, wishes))
    try:
        board = load_folder(folder)
    except HilError:
        path.unlink()
        raise
    write_text(folder / SCHEMA, json.dumps(json_schema(), indent=1) + "\n")
    return board, _unknown(board, wishes)


def _text(name: str, part: str, uart: str, wishes: Wishes) -> str:
    line = chips.chip(part)
    tx, rx = (wishes.tx_pin or pins(uart, part, "tx")[0], wishes.rx_pin or pins(uart, part, "rx")[0])
    clock = wishes.clock_hz or (line.clock.over_drive_hz or line.clock.max_hz)
    crystal = f"hse_hz = {wishes.crystal_hz:_}" if wishes.crystal_hz else "# hse_hz = 8_000_000"
    return f"""#:schema ./{SCHEMA}
# What is not said here follows from the chip (see `hil plan`); docs/boards.md has every entry.
name = "{name}"
title = "{wishes.title or name}"
chip = "{part}"
clock_hz = {clock:_}
{crystal}        # the crystal at OSC_IN; without one the chip's own 16 MHz serves
# hse_is_clock = true      # a clock signal there instead of a crystal
stack_bytes = 4096
sram_reserved = 16_384     # not for the network: stack, link buffers, your own variables

[uart]                     # the link's; a USB adapter or the probe's serial port at the other end
peripheral = "{uart}"
tx_pin = "{tx}"
rx_pin = "{rx}"
baud = {wishes.baud:_}
# dma = false              # where its DMA stream is somebody else's: an interrupt a byte

[probe]                    # how the board is found and flashed
usb = ["0483:374b", "0483:3748"]  # ST-Link/V2-1, ST-Link/V2
tools = ["openocd", "pyocd", "st-flash"]
pyocd_target = "{part[:9].lower()}x{part[10].lower()}"
openocd_board = ""
"""


def _unknown(board: Board, wishes: Wishes) -> list[str]:
    """What a person has to look up."""
    said = [f"whether {board.uart.tx_pin} and {board.uart.rx_pin} are free on the board, and wired: its schematic says"]
    if not wishes.crystal_hz:
        said.append("whether there is a crystal: without hse_hz the HSI clocks core and link, up to 1 % off")
    said.append("which debug probe it has: [probe], usb and openocd_board")
    if board.line.has_sdram:
        said.append("whether there is SDRAM behind the FMC: a table [sdram]")
    said.append("the supply: wait states are those of 2.7 to 3.6 V")
    return said
