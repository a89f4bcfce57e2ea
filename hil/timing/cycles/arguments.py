"""What a call is given: words and floats passed as C does (AAPCS), and data put into SRAM for it."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hil.board import Board
from hil.errors import HilError
from hil.reading import read_bytes
from hil.timing.cycles.program import Program, Segment

Argument = int | float | str
_FLOAT = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+)([eE][+-]?\d+)?f?$")
_PLACE = re.compile(r"@?(?P<symbol>[^+]+?)(?:\+(?P<offset>\w+))?$")
_NAME = re.compile(r"(?P<name>[A-Za-z_]\w*)(?:@(?P<address>\w+))?=(?P<source>.+)$", re.DOTALL)
_MOST_DATA = 1 << 27  # bytes: more than any memory here
STACK_ROOM = 1024  # bytes below the top of SRAM that data must leave


@dataclass(frozen=True)
class Placed:
    """Data under a name. address: where, None: where there is room in SRAM."""

    name: str
    data: bytes
    address: int | None = None


def parse_argument(text: str) -> Argument:
    """A number as C or Python writes it, a float, else the name of a symbol or of data (@NAME, NAME+16)."""
    try:
        return int(text, 0)
    except ValueError:
        return float(text.rstrip("f")) if _FLOAT.match(text) else text


def parse_data(text: str) -> Placed:
    """NAME=FILE or NAME=ZEROS:N, NAME@ADDRESS=... for a place. Raises HilError for what is neither."""
    match = _NAME.match(text)
    if match is None:
        raise HilError(f"--data {text}: expected NAME=FILE or NAME=ZEROS:N, as in samples=input.bin or out=ZEROS:256")
    address = None if match["address"] is None else number(match["address"], f"--data {text}: the address")
    source = match["source"]
    if source.startswith("ZEROS:"):
        count = number(source.removeprefix("ZEROS:"), f"--data {text}: the count")
        if not 0 < count <= _MOST_DATA:
            raise HilError(f"--data {text}: {count} bytes is no size for data in memory: 1 to {_MOST_DATA}")
        return Placed(match["name"], bytes(count), address)
    data = read_bytes(Path(source), _MOST_DATA)
    if not data:
        raise HilError(f"--data {text}: {source} is empty")
    return Placed(match["name"], data, address)


def number(text: str, what: str) -> int:
    """A number as C or Python writes it. Raises HilError."""
    try:
        return int(text, 0)
    except ValueError:
        raise HilError(f"{what} {text!r} is no number: give one such as 0x20000000") from None


def place(program: Program, data: Iterable[Placed], board: Board) -> Program:
    """The program with data in memory, its names as symbols. Raises HilError where there is no room."""
    segments, symbols = list(program.segments), dict(program.symbols)
    for one in data:
        if one.name in symbols:
            raise HilError(f"--data {one.name}: {program.path} has a symbol of that name already: choose another")
        address = _free(segments, len(one.data), board, one.name) if one.address is None else one.address
        end = address + len(one.data)
        if not any(memory.origin <= address and end <= memory.end for memory in board.rams):
            raise HilError(f"--data {one.name}: {address:#010x} to {end - 1:#010x} is not in RAM of the {board.chip}")
        taken = next((s for s in segments if s.address < end and address < s.end), None)
        if taken is not None:
            raise HilError(
                f"--data {one.name}: {address:#010x} to {end - 1:#010x} lies over what is at {taken.address:#010x}"
            )
        segments.append(Segment(address, one.data))
        symbols[one.name] = address
    return program.with_data(tuple(segments), symbols)


def _free(segments: Sequence[Segment], size: int, board: Board, name: str) -> int:
    """Above all that lies in SRAM, at a multiple of 8."""
    sram = board.sram
    ends = (segment.end for segment in segments if sram.origin <= segment.address < sram.end)
    address = max((*ends, sram.origin)) + 7 & ~7
    if address + size > sram.end - STACK_ROOM:
        raise HilError(
            f"--data {name}: {size} bytes do not fit the SRAM of the {board.chip} behind the program, with "
            f"{STACK_ROOM} left for the stack: say where with {name}@ADDRESS="
        )
    return address


def resolve(program: Program, argument: Argument) -> int | float:
    """An argument as a word or a float: a symbol's or data's address, with an offset. Raises HilError."""
    if isinstance(argument, str):
        match = _PLACE.match(argument)
        if match is None:
            raise HilError(f"--arg {argument!r} is neither a number nor the name of a symbol or of data")
        offset = number(match["offset"], f"--arg {argument}: the offset") if match["offset"] else 0
        return program.address(match["symbol"]) + offset & 0xFFFF_FFFF
    if isinstance(argument, float):
        return argument
    if not -(1 << 31) <= argument < 1 << 32:
        raise HilError(f"--arg {argument} does not fit a register's 32 bits: pass a 64-bit value as two arguments")
    return argument & 0xFFFF_FFFF


def distribute(arguments: Sequence[int | float], in_fp_registers: bool) -> tuple[list[int], list[int]]:
    """The words for core registers and stack, and those for S registers, floats as their bits.

    in_fp_registers: the hard-float ABI; else a float goes where an int would. Raises HilError where it is out of range.
    """
    words: list[int] = []
    floats: list[int] = []
    for argument in arguments:
        if isinstance(argument, float):
            (floats if in_fp_registers else words).append(_bits(argument))
        else:
            words.append(argument)
    return words, floats


def _bits(value: float) -> int:
    try:
        return int.from_bytes(struct.pack("<f", value), "little")
    except OverflowError:
        raise HilError(f"--arg {value} does not fit a float of single precision") from None
