"""Frames on the wire (docs/link.md, "Frames"): zero, COBS(type, sequence, payload, CRC-32), two zeros.

tests/golden/frames.txt holds vectors that this codec and the firmware's (firmware_src/app/frame.c) both reproduce.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from cobs import cobs

_HEADER = struct.Struct("<BH")
_CRC = struct.Struct("<I")
OVERHEAD_BYTES = _HEADER.size + _CRC.size + 4  # and delimiters, one code byte; one more each 254 bytes
LONGEST_WIRE_BYTES = 4096  # whatever goes on longer than this without a delimiter is noise


@dataclass(frozen=True)
class Frame:
    """One frame. type: 0..255; sequence: 0..65535; payload: as long as the receiver's max_payload allows."""

    type: int
    sequence: int
    payload: bytes = b""


@dataclass(frozen=True)
class Damage:
    """Something stood between two delimiters that is not a frame."""

    reason: str
    wire: bytes


def encode(frame: Frame) -> bytes:
    """The frame's bytes on the wire, delimiters included."""
    body = _HEADER.pack(frame.type, frame.sequence) + frame.payload
    return b"\0" + cobs.encode(body + _CRC.pack(zlib.crc32(body))) + b"\0\0"


def wire_bytes(payload_bytes: int) -> int:
    """The most that a frame with such a payload takes on the wire."""
    return payload_bytes + OVERHEAD_BYTES + (payload_bytes + OVERHEAD_BYTES) // 254


def fitting_payload(room: int) -> int:
    """The longest payload of a frame that takes at most `room` bytes on the wire; negative: there is none."""
    return room - OVERHEAD_BYTES - room // 254


def decode(piece: bytes) -> Frame | Damage:
    """What stands between two delimiters: a frame, or damage and what is wrong with it."""
    try:
        body = cobs.decode(piece)
    except cobs.DecodeError as error:
        return Damage(f"COBS: {error}", piece)
    if len(body) < _HEADER.size + _CRC.size:
        return Damage(f"{len(body)} bytes are too few for a frame", piece)
    if zlib.crc32(body[: -_CRC.size]) != _CRC.unpack(body[-_CRC.size :])[0]:
        return Damage("wrong CRC", piece)
    type, sequence = _HEADER.unpack_from(body)
    return Frame(type, sequence, body[_HEADER.size : -_CRC.size])


class Decoder:
    """Cuts a stream of bytes, which may come in any pieces, into frames and damage."""

    def __init__(self) -> None:
        self._open = b""

    def feed(self, data: bytes) -> Iterator[Frame | Damage]:
        """The frames that these bytes complete."""
        *pieces, self._open = (self._open + data).split(b"\0")
        for piece in pieces:
            if piece:
                yield decode(piece)
        if len(self._open) > LONGEST_WIRE_BYTES:
            yield Damage("no delimiter", self._open)
            self._open = b""
