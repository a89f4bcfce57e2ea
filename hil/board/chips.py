"""The lines of STM32F4 that are known: one file each in platforms/chips."""

from __future__ import annotations

import re
from functools import cache

from hil.board.family import FLASH_BYTES
from hil.board.schema import ChipTable, MemoryTable, read
from hil.errors import HilError
from hil.paths import platforms


@cache
def chips() -> tuple[ChipTable, ...]:
    """Every known chip."""
    return tuple(read(path, ChipTable) for path in sorted((platforms() / "chips").glob("*.toml")))


def chip(part: str) -> ChipTable:
    """The chip of a part number, such as STM32F407VG. Raises HilError, with the known ones, where there is none."""
    for known in chips():
        if any(re.match(pattern, part) for pattern in known.parts):
            return known
    lines = ", ".join(sorted({pattern[:9] for known in chips() for pattern in known.parts}))
    raise HilError(f"chip {part}: no such STM32F4 is known here; the lines there are: {lines}")


def memories(part: str, known: ChipTable) -> dict[str, MemoryTable]:
    """The chip's memories, with as much flash as the part number's letter says."""
    letter = part[10:11]
    if letter not in FLASH_BYTES:
        raise HilError(
            f"chip {part}: its eleventh character says how much flash it has, one of {', '.join(FLASH_BYTES)}"
        )
    return {"flash": MemoryTable(0x0800_0000, FLASH_BYTES[letter]), **known.memory}


def device_ids() -> set[int]:
    """What DBGMCU_IDCODE[11:0] of a known chip may be."""
    return {known.idcode & 0xFFF for known in chips()} | {other for known in chips() for other in known.other_ids}
