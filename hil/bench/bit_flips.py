"""Bits that change in a board's memory at a moment of one's choice: does the bench see what they do?"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, cast

from capstone import CS_ARCH_ARM, CS_MODE_MCLASS, CS_MODE_THUMB, Cs

from hil.errors import HilError
from hil.firmware.build import Firmware
from hil.targets.base import FlipsBits, Target
from hil.targets.symbols import symbols

_PLACE = re.compile(r"(?P<name>\w+?)(?:\+(?P<offset>\d+|0x[0-9a-fA-F]+))?")


@dataclass
class BitFlips:
    """Of a firmware that has booted on a target. Raises HilError where the target cannot change its memory."""

    firmware: Firmware
    target: Target
    _calls: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.target.capabilities.flips_bits:
            raise HilError(f"target {self.target.name} changes no bits of memory: use target sim or renode")

    @property
    def _device(self) -> FlipsBits:
        return cast(FlipsBits, self.target)

    def flip_bit(self, place: str, bit: int = 0, *, function: str = "model_finish", call: int = 1) -> None:
        """Change bit 0 to 7 of a byte when a function is called for the call-th time from here on.

        place: a buffer of plan.json (`conv0_rows+12`, 12 bytes into it) or a symbol (`conv0_weight`). function: its
        name, or an instruction in it (`conv0_part+0x1c`), before which the bit changes. Raises HilError for what is not
        there, and TargetError before boot.
        """
        if not 0 <= bit <= 7 or call < 1:
            raise HilError(f"bit {bit} at call {call}: a byte has bits 0 to 7, and calls count from 1")
        self._device.flip_bit(self.address_of(place), bit, self.instruction(function), call)
        self._calls.append(call)

    def instruction(self, place: str) -> int:
        """Where a function begins, or an instruction of it (`conv0_part+0x1c`)."""
        table, match = symbols(self.firmware.elf), _PLACE.fullmatch(place)
        begin = table.address(match["name"]) if match else None
        if match is None or begin is None:
            raise HilError(f"the firmware has no function {place}: arm-none-eabi-nm lists them")
        offset, size = int(match["offset"] or "0", 0), table.size(match["name"])
        if offset >= size > 0:
            raise HilError(f"{place}: the function has {size} bytes")
        begin &= ~1
        code = self.target.read_memory(begin, offset + 4)
        lines = Cs(CS_ARCH_ARM, CS_MODE_THUMB | CS_MODE_MCLASS).disasm_lite(code, begin)
        if any(address < begin + offset < address + length for address, length, *_ in lines):
            raise HilError(f"{place} is in the middle of an instruction: arm-none-eabi-objdump -d lists them")
        return begin + offset

    def address_of(self, place: str) -> int:
        """Where a place is on the device."""
        match = _PLACE.fullmatch(place)
        if match is None:
            raise HilError(f"{place!r} is no place: write BUFFER+OFFSET or SYMBOL+OFFSET")
        name, offset = match["name"], int(match["offset"] or "0", 0)
        buffers: list[dict[str, Any]] = self.firmware.plan["buffers"]
        for buffer in buffers:
            if buffer["name"] == name:
                _check_size(place, offset, buffer["bytes"])
                return self._symbol(f"arena_{buffer['place']}") + int(buffer["offset"]) + offset
        return self._symbol(name) + offset

    @property
    def have_happened(self) -> bool:
        """Whether every bit has changed: its function was called as often as it was to wait for."""
        return all(had >= call for had, call in zip(self._device.flips(), self._calls, strict=True))

    def _symbol(self, name: str) -> int:
        address = symbols(self.firmware.elf).address(name)
        if address is None:
            raise HilError(f"the firmware has neither a buffer nor a symbol {name}: plan.json and nm list them")
        return address


def _check_size(place: str, offset: int, size: int) -> None:
    if offset >= size:
        raise HilError(f"{place}: the buffer has {size} bytes")
