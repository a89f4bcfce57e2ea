"""How messages lie in bytes, as data: each field's name, type and what it may be; one decoder for all of them."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hil.link.errors import BadAnswer
from hil.shown import shown

_LIMITS = {
    "B": (0, 0xFF), "h": (-0x8000, 0x7FFF), "H": (0, 0xFFFF), "I": (0, 0xFFFF_FFFF), "Q": (0, (1 << 64) - 1),
    "f": (-math.inf, math.inf),
}  # fmt: skip


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

    @cached_property
    def range(self) -> tuple[float, float]:
        """The least and the largest value of a number."""
        least, most = _LIMITS[self.code]
        return (least if self.least is None else self.least, most if self.most is None else self.most)

    @property
    def is_limited(self) -> bool:
        """Whether there is anything to check or to change in what its type holds."""
        return self.is_text or self.code == "f" or self.least is not None or self.most is not None

    def check(self, value: Any, message: str) -> Any:
        """The value, as the host uses it. Raises BadAnswer outside the range; NaN is in none."""
        if isinstance(value, bytes):
            return shown(value.rstrip(b"\0")) if self.is_text else value
        least, most = self.range
        if not least <= value <= most or (isinstance(value, float) and math.isinf(value)):
            raise BadAnswer(message, self.name, value, f"{_said(least)} to {_said(most)}")
        return value


def text(name: str, size: int) -> Field:
    """A field of text, padded with zeros."""
    return Field(name, f"{size}s", is_text=True)


class Layout:
    """A message's fields in their order. has_body: any number of bytes may follow them."""

    def __init__(self, message: str, *fields: Field, has_body: bool = False) -> None:
        self.message, self.fields, self.has_body = message, fields, has_body
        self._struct = struct.Struct("<" + "".join(field.code for field in fields))
        self._limited = [(place, field) for place, field in enumerate(fields) if field.is_limited]

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
        if not self._limited:
            return values
        checked = list(values)
        for place, field in self._limited:
            checked[place] = field.check(values[place], self.message)
        return tuple(checked)

    def rows(self, data: bytes, count: int | None = None) -> list[tuple[Any, ...]]:
        """The values of a table of such rows. Raises BadAnswer unless there are just `count`, where that is known."""
        if len(data) % self.size or (count is not None and len(data) != count * self.size):
            wanted = f"{count} of {self.size}" if count is not None else f"a multiple of {self.size}"
            raise BadAnswer(self.message, "length", len(data), f"{wanted} bytes")
        return [self.unpack(data[at : at + self.size]) for at in range(0, len(data), self.size)]


def _said(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
