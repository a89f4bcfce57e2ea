"""The corpus's first inputs: what an honest host sends, as records of fuzz_link.c and bytes of fuzz_frames.c."""

from __future__ import annotations

import struct
from pathlib import Path

from hil.link import frames, messages
from hil.link.frames import Frame
from hil.link.messages import Object, Type

HERE = Path(__file__).resolve().parent
ANSWERED, RAW, KEPT = 0x80, 0x40, 0x20
ROW, ROWS = 120, 30


def record(type: int, payload: bytes = b"", flags: int = ANSWERED) -> bytes:
    """A record; its length stands where the sequence number is, too."""
    return bytes([type | flags, len(payload)]) + payload


def tiles(size: int) -> bytes:
    """A whole image, in tiles of so many bytes."""
    return b"".join(
        record(Type.TILE, b"\0\0" + struct.pack("<I", at) + bytes(range(min(size, ROW * ROWS - at))))
        for at in range(0, ROW * ROWS, size)
    )


def reads(flags: int = ANSWERED) -> bytes:
    return b"".join(record(Type.READ, messages.read(o, 0, 0, 4000, 64), flags) for o in Object)


def releases() -> bytes:
    return b"".join(record(Type.RELEASE, b"\0\0" + piece.to_bytes(2, "little")) for piece in range(12))


LINK = {
    "hello": record(Type.HELLO) + record(Type.POLL) + reads() + reads(ANSWERED | KEPT),
    "image": tiles(240) + reads() + bytes([2]),
    "image_unanswered": tiles(240).replace(bytes([Type.TILE | ANSWERED]), bytes([Type.TILE])) + bytes([1]),
    "digests": tiles(200) + reads() + bytes([0]),
    "tapped": tiles(120) + record(Type.READ, messages.read(Object.TAP_PIECE, 0, 0, 4000, 64)) + releases() + bytes([2]),
    "tapped_by_another": tiles(120)[:600] + record(Type.BEGIN, b"\0\0\2\0" + struct.pack("<I", 3600)) + bytes([4]),
    "bad_lengths": b"".join(record(type, b"\1\2\3") for type in (1, 2, 3, 4, 5, 6, 7)) + record(3, bytes(7)),
    "bad_types": record(0) + record(9, b"abc") + record(0x1F),
    "bad_begins": record(Type.BEGIN, b"\0\0\7\0" + struct.pack("<I", 3600)) + record(Type.BEGIN, bytes(8)),
    "bad_reads": record(Type.READ, messages.read(Object.INFO, 0, 9999, 1, 64))
    + record(Type.READ, struct.pack("<BHIIH", 0, 0, 0, 9, 0))
    + record(Type.READ, struct.pack("<BHIIH", 99, 0, 0, 9, 9)),
    "noise": record(0, b"\x05\x11\x22\0\x03\x01\0\xff" * 9, RAW | ANSWERED) + record(Type.POLL),
    "far_tile": record(Type.TILE, b"\0\0" + struct.pack("<I", 3000) + bytes(9)),
    "long_tile": record(Type.TILE, b"\0\0" + struct.pack("<I", 0) + bytes(240)) * 2,
    "provoke": record(Type.PROVOKE, b"\x09"),
}  # fmt: skip
FRAMES = {
    "empty": b"\0" + bytes(5),
    "frame": b"\0" + frames.encode(Frame(Type.READ, 7, messages.read(Object.INFO, 0, 0, 100, 64))),
    "long": b"\1\3\0\0" + bytes(range(256)) + b"\0" * 11,
    "no_zeros": b"\1\3\1\2" + b"\x55" * 267,
    "too_long": b"\0" + b"\xff" + b"\x01" * 254 + b"\xff" + b"\x02" * 254 + b"\0",
    "cut": b"\0" + frames.encode(Frame(Type.TILE, 9, bytes(40)))[:-9] + b"\0",
}

if __name__ == "__main__":
    for name, inputs in (("link", LINK), ("frames", FRAMES)):
        (HERE / "corpus" / name).mkdir(parents=True, exist_ok=True)
        for title, content in inputs.items():
            (HERE / "corpus" / name / title).write_bytes(content[:4096])
