"""What board.toml and a chip's file may say: types and limits, once. Editors read the same as JSON schema."""

from __future__ import annotations

import re
from ast import literal_eval
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from hil.board.figures import DOCUMENTED, Figures
from hil.errors import HilError
from hil.reading import read_text, toml_of

# $ alone would let a line break pass at a text's end; editors read no \Z
NAME, PIN, UART = r"^[a-z][a-z0-9_]{0,31}$(?!\n)", r"^P[A-K](1[0-5]|[0-9])$(?!\n)", r"^us?art[0-9]+$(?!\n)"
CHIP, USB = r"^STM32F4[0-9]{2}[A-Z][A-Z8][A-Za-z0-9]{0,8}$(?!\n)", r"^[0-9a-f]{4}:[0-9a-f]{4}$(?!\n)"
MEMORY = r"^(flash|sram[1-9]?|ccm)$(?!\n)"
TITLE = r"^(?!.*\*/)[^\"\\\x00-\x1f\x7f-\x9f\u2028-\u202e]+$(?!\n)"  # it comes into comments of C and of the linker
MEANT = {  # what a text has to be, in words
    TITLE: "text of one line without quotes, backslashes, control characters and the end of a comment",
    NAME: "lower case letters, digits and _, a letter first, at most 32",
    PIN: "a pin, such as PA2",
    UART: "usart1, usart2, uart4, ...",
    CHIP: "an STM32F4's part number, such as STM32F407VG",
    USB: "vendor and product, such as 0483:374b",
    MEMORY: "flash, sram, sram1 to sram9 or ccm",
}

Name = Annotated[str, Meta(pattern=NAME, description="lower case, as the board's folder")]
Text = Annotated[str, Meta(min_length=1, max_length=60, pattern=TITLE)]
Hz = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Bytes = Annotated[int, Meta(ge=0, le=1 << 28)]
Address = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF, multiple_of=4096)]
Nanoseconds = Annotated[float, Meta(ge=0, le=10_000)]
Pin = Annotated[str, Meta(pattern=PIN, description=MEANT[PIN])]
Peripheral = Annotated[str, Meta(pattern=UART, description=MEANT[UART])]


class MemoryTable(Struct, forbid_unknown_fields=True, frozen=True):
    """[memory.NAME]: a memory in the place of the chip's own of that name."""

    origin: Address
    bytes: Annotated[int, Meta(ge=4096, le=1 << 28, multiple_of=4096)]
    dma: bool = True
    executable: bool = True


class UartTable(Struct, forbid_unknown_fields=True, frozen=True):
    """[uart]: the serial port that carries the link. dma = false: bytes are received by interrupts."""

    peripheral: Peripheral
    tx_pin: Pin
    rx_pin: Pin
    baud: Annotated[int, Meta(ge=1200, le=10_000_000)] = 921_600
    dma: bool = True


class SdramTable(Struct, forbid_unknown_fields=True, frozen=True):
    """[sdram]: memory behind the FMC. Times in nanoseconds, from its data sheet; pins as "PB5-6 PC0"."""

    bank: Annotated[int, Meta(ge=1, le=2)]
    bus_bits: Annotated[int, Meta(ge=16, le=32, multiple_of=16)]
    column_bits: Annotated[int, Meta(ge=8, le=11)]
    row_bits: Annotated[int, Meta(ge=11, le=13)]
    pins: str
    cas: Annotated[int, Meta(ge=1, le=3)] = 3
    load_to_active_cycles: Annotated[int, Meta(ge=1, le=16)] = 2
    exit_self_refresh_ns: Nanoseconds = 70
    self_refresh_ns: Nanoseconds = 42
    row_cycle_ns: Nanoseconds = 63
    write_recovery_ns: Nanoseconds = 14
    row_precharge_ns: Nanoseconds = 20
    row_to_column_ns: Nanoseconds = 20
    refresh_ms: Annotated[int, Meta(ge=1, le=64)] = 64


class ProbeTable(Struct, forbid_unknown_fields=True, frozen=True):
    """[probe]: how the board is found on USB and flashed."""

    usb: list[Annotated[str, Meta(pattern=USB)]] = []
    tools: list[str] = []
    pyocd_target: str = ""
    openocd_board: str = ""


class BoardTable(Struct, forbid_unknown_fields=True, frozen=True):
    """board.toml. clock_hz: of the core; hse_hz: of the crystal or clock at OSC_IN, without which the HSI serves."""

    name: Name
    title: Text
    chip: Annotated[str, Meta(pattern=CHIP, description="the part number, such as STM32F407VG")]
    clock_hz: Hz
    uart: UartTable
    hse_hz: Annotated[int, Meta(ge=0, le=50_000_000)] = 0
    hse_is_clock: bool = False
    stack_bytes: Annotated[int, Meta(ge=1024, le=65_536, multiple_of=8)] = 4096
    sram_reserved: Bytes = 16_384
    ccm_reserved: Bytes = 0
    device_id: Annotated[int, Meta(ge=0, le=0xFFF)] | None = None
    memory: dict[Annotated[str, Meta(pattern=MEMORY)], MemoryTable] = {}
    sdram: SdramTable | None = None
    probe: ProbeTable = ProbeTable()
    timing: Figures = DOCUMENTED


class ChipClock(Struct, forbid_unknown_fields=True, frozen=True):
    """[clock] of a chip: limits in Hz. wait_states: the highest clock at 0, 1, 2, ... of them (2.7 to 3.6 V).

    voltage: [highest clock, PWR_CR.VOS], the lowest first. over_drive_hz: above it the over-drive is needed; 0: never.
    """

    max_hz: Hz
    apb1_max_hz: Hz
    apb2_max_hz: Hz
    wait_states: list[Hz]
    voltage: list[tuple[int, int]]
    vco_min_hz: Hz = 100_000_000
    vco_max_hz: Hz = 432_000_000
    over_drive_hz: int = 0


class ChipTable(Struct, forbid_unknown_fields=True, frozen=True):
    """A chip's file. parts: how part numbers begin, up to the letter for the flash's size where it matters ([BC]).

    idcode: DBGMCU_IDCODE of a recent revision; other_ids: device ids that other revisions answer with; no_prefetch:
    those of them whose flash interface must not prefetch.
    """

    parts: list[str]
    manual: str
    idcode: int
    interrupts: int
    ports: str
    uarts: list[Peripheral]
    clock: ChipClock
    memory: dict[str, MemoryTable]
    other_ids: list[int] = []
    no_prefetch: list[int] = []
    has_sdram: bool = False


T = TypeVar("T")


def read(path: Path, kind: type[T]) -> T:
    """A file as its table. Raises HilError that names the file, the line, the field and what it may be."""
    text, data = toml(path)
    return convert(data, kind, path, text)


def toml(path: Path) -> tuple[str, dict[str, Any]]:
    """A TOML file's text and what it says. Raises HilError where it cannot be read or is none."""
    text = read_text(path)
    return text, toml_of(text, str(path))


def convert(data: Any, kind: type[T], path: Path, text: str, within: str = "") -> T:
    """Part of a file as a table; within: the name of that part. Raises HilError as read does."""
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        path_in = where.replace("`key` in ", "").strip("`").removeprefix("$").strip(".").replace("[...]", "")
        field = ".".join(part for part in (within, path_in, _named(what)) if part)
        raise HilError(f"{path}, line {line_of(text, field)}: {field or 'the file'}: {_plain(what)}") from error


def line_of(text: str, field: str) -> int:
    """The line, from 1, on which a field such as uart.baud is given; that of its table, or 1, where it is not."""
    *tables, key = re.sub(r"\[\d+\]", "", field).split(".")
    found, table = 1, ""
    for number, line in enumerate(text.splitlines(), 1):
        if head := re.match(r"\s*\[+([\w.-]+)\]+", line):
            table = head[1]
            if table in (field, ".".join(tables)) or (found == 1 and table.startswith(f"{(tables or [field])[0]}.")):
                found = number
        elif table == ".".join(tables) and re.match(rf"\s*{re.escape(key)}\s*=", line):
            return number
    return found


def json_schema() -> dict[str, Any]:
    """board.toml's schema, for editors."""
    return msgspec.json.schema(BoardTable) | {"title": "board.toml of rnnpool-hil"}


def _named(what: str) -> str:
    """The field that a message about a surplus or missing one names."""
    found = re.search(r"field `(\w+)`", what)
    return found[1] if found else ""


def _plain(what: str) -> str:
    """msgspec's words without what only Python programmers know."""
    if found := re.match(r"Expected `str` matching regex ('.*')$", what):
        pattern = literal_eval(found[1])
        what = f"expected {MEANT.get(pattern, f'text like {pattern}')}"
    what = re.sub(r"^Object contains unknown field `(\w+)`", "there is no such entry: is it spelt right?", what)
    what = re.sub(r"^Object missing required field `(\w+)`", "it is missing: add it", what)
    return what[:1].lower() + what[1:]
