"""How messages lie in bytes, as data: each field's name, type and what it may be; one decoder for all of them."""

from __future__ import annotations

import math
import struct
import sys
from dataclasses import dataclass
from typing import Any

from hil.link.errors import BadAnswer
from hil.shown import shown

_LIMITS = {
    "B": (0, 0xFF), "h": (-0x8000, 0x7FFF), "H": (0, 0xFFFF), "I": (0, 0xFFFF_FFFF), "Q": (0, (1 << 64) - 1),
    "f": (-math.inf, math.inf),
}  # fmt: skip
_FINITE = sys.float_info.max


@dataclass(frozen=True)
class Field:
    """One field. code: struct's, little-endian; least and most: what it may be, the type's own range without.

    A field of bytes ("24s") may be text, up to its zeros; what of it does not print is shown as an escape.
    """

    name: str
    code: str
    least: float | None = None
    most: float | None = None
    is_text: bool = False

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest value of a number."""
        least, most = _LIMITS[self.code]
        return (least if self.least is None else self.least, most if self.most is None else self.most)

    @property
    def is_limited(self) -> bool:
        """Whether its type holds numbers that it may not be; NaN and the infinities are in no range."""
        return not self.code.endswith("s") and (self.code == "f" or self.least is not None or self.most is not None)

    @property
    def said(self) -> str:
        """The range in words."""
        least, most = self.range
        return f"{_said(least)} to {_said(most)}"


def text(name: str, size: int) -> Field:
    """A field of text, padded with zeros."""
    return Field(name, f"{size}s", is_text=True)


class Layout:
    """A message's fields in their order. has_body: any number of bytes may follow them."""

    def __init__(self, message: str, *fields: Field, has_body: bool = False) -> None:
        self.message, self.fields, self.has_body = message, fields, has_body
        self._struct = struct.Struct("<" + "".join(field.code for field in fields))
        self._limited = [
            (place, max(field.range[0], -_FINITE), min(field.range[1], _FINITE), field)
            for place, field in enumerate(fields)
            if field.is_limited
        ]
        self._texts = {place for place, field in enumerate(fields) if field.is_text}

    @property
    def size(self) -> int:
        """Bytes of the fields."""
        return self._struct.size

    def pack(self, *values: Any) -> bytes:
        return self._struct.pack(*values)

    def unpack(self, data: bytes) -> tuple[Any, ...]:
        """The fields' values. Raises BadAnswer for another length and for a value out of its range."""
        if len(data) != self.size and not (self.has_body and len(data) > self.size):
            raise BadAnswer(
                self.message, "length", len(data), f"{self.size}{' or more' if self.has_body else ''} bytes"
            )
        values: tuple[Any, ...] = self._struct.unpack_from(data)
        for place, least, most, field in self._limited:
            if not least <= values[place] <= most:
                raise BadAnswer(self.message, field.name, values[place], field.said)
        if not self._texts:
            return values
        return tuple(
            shown(value.rstrip(b"\0")) if place in self._texts else value for place, value in enumerate(values)
        )

    def rows(self, data: bytes, count: int | None = None) -> list[tuple[Any, ...]]:
        """The values of a table of such rows. Raises BadAnswer unless there are just `count`, where that is known."""
        if len(data) % self.size or (count is not None and len(data) != count * self.size):
            wanted = f"{count} of {self.size}" if count is not None else f"a multiple of {self.size}"
            raise BadAnswer(self.message, "length", len(data), f"{wanted} bytes")
        return [self.unpack(data[at : at + self.size]) for at in range(0, len(data), self.size)]


def _said(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
