"""Mutants between host and device: forged tiles, frames believed without their checksum, another image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from hil.link import frames
from hil.link.frames import Frame
from hil.link.messages import TILE_HEADER_BYTES, Type
from hil.selftest.mutant import Mutant, Operator, Outcome
from hil.selftest.sources import ANY, EXACT
from hil.selftest.subjects import Subject
from hil.selftest.trial import Bait
from hil.targets.base import Target
from hil.targets.wrapper import Wrapper

Harm = Callable[[Frame, int], bytes]  # of a tile and its number

EVERY = 3  # so manieth tile


def _pixel(tile: Frame, number: int) -> bytes:
    """Another pixel, and a checksum that is right."""
    place = TILE_HEADER_BYTES + (number * 7) % (len(tile.payload) - TILE_HEADER_BYTES)
    changed = bytes([tile.payload[place] ^ 0x80])
    return frames.encode(replace(tile, payload=tile.payload[:place] + changed + tile.payload[place + 1 :]))


def _rolled(tile: Frame, number: int) -> bytes:
    """The tile's bytes, moved on by one."""
    head, body = tile.payload[:TILE_HEADER_BYTES], tile.payload[TILE_HEADER_BYTES:]
    return frames.encode(replace(tile, payload=head + body[-1:] + body[:-1]))


def _blank(tile: Frame, number: int) -> bytes:
    """A tile of zeros."""
    body = bytes(len(tile.payload) - TILE_HEADER_BYTES)
    return frames.encode(replace(tile, payload=tile.payload[:TILE_HEADER_BYTES] + body))


def _flipped(tile: Frame, number: int) -> bytes:
    """A bit of the frame on the wire, whose checksum is then wrong."""
    wire = bytearray(frames.encode(tile))
    middle = len(wire) * 2 // 3
    wire[middle] ^= 0x20 if wire[middle] not in (0, 0x20) else 0x41
    return bytes(wire)


class Line(Wrapper):
    """A target behind a line that harms every EVERYth tile."""

    def __init__(self, target: Target, harm: Harm) -> None:
        super().__init__(target)
        self._harm, self._tiles = harm, 0

    def write(self, data: bytes) -> None:
        for frame in frames.Decoder().feed(data):
            if not isinstance(frame, Frame):
                continue
            self._tiles += frame.type == Type.TILE
            is_harmed = frame.type == Type.TILE and self._tiles % EVERY == 0
            super().write(self._harm(frame, self._tiles) if is_harmed else frames.encode(frame))


LINES: tuple[tuple[str, str, Harm], ...] = (
    ("tile-forged", "a pixel changed on the way, with the right checksum", _pixel),
    ("tile-rolled", "a tile moved by a byte, with the right checksum", _rolled),
    ("tile-blank", "a tile of zeros, with the right checksum", _blank),
)
# in the firmware: file, old text, new text; and what the line does meanwhile
SOURCES: tuple[tuple[str, str, str, str, str, Harm | None], ...] = (
    ("crc-unchecked", "frames that are believed without their checksum", "firmware_src/app/frame.c",
     "if (crc32_update(0, decoder->bytes, bytes) != sent)",
     "if (crc32_update(0, decoder->bytes, bytes) == ~sent)", _flipped),
    ("tile-misplaced", "tiles that lie a byte further on", "firmware_src/app/image.c",
     "memcpy(model_row() + taken % ROW_BYTES, rest.data, count);",
     "memcpy(model_row() + taken % ROW_BYTES, (const uint8_t *)rest.data + (count > 1), count);", None),
    ("row-skipped", "a row that the network never sees", "firmware_src/app/image.c",
     "    model_push_row();",
     "{ static uint8_t kept[ROW_BYTES]; static uint32_t seen; uint8_t *row = model_row();"
     " if (seen++ % 2 == 0) memcpy(kept, row, ROW_BYTES); else memcpy(row, kept, ROW_BYTES); model_push_row(); }",
     None),
    ("tap-kept", "digests that go on from the image before", "firmware_src/app/image.c",
     "memset(digests, 0, sizeof digests);", ";", None),
    ("image-kept", "a network that does not forget the image before", "firmware_src/app/image.c",
     "    model_begin();", "",
     None),
    ("box-count", "a box more than there are", "firmware_src/app/image.c",
     "result.detections = model_finish(&detections);", "result.detections = model_finish(&detections) + 1;", None),
    ("frame-short", "a frame that ends too early and is believed", "firmware_src/app/frame.c",
     "frame->bytes = (uint16_t)(bytes - FRAME_HEADER_BYTES);",
     "frame->bytes = (uint16_t)(bytes - FRAME_HEADER_BYTES - 1);",
     None),
)  # fmt: skip


def operators() -> tuple[Operator, ...]:
    """All that happen to bytes on their way."""
    lines = [Operator(n, breaks, EXACT, partial(_line_sites, n, harm), ("native",), 1) for n, breaks, harm in LINES]
    sources = [
        Operator(name, breaks, (*ANY, "Refused"), partial(_source_sites, name, file, old, new, harm), ("native",), 1)
        for name, breaks, file, old, new, harm in SOURCES
    ]
    return (*lines, *sources)


def _line_sites(operator: str, harm: Harm, subject: Subject) -> Iterator[Mutant]:
    diff = f"every {EVERY}rd tile: {harm.__doc__}"
    yield Mutant(operator, subject.name, "tiles", diff, lambda bait: bait.run(target=lambda target: Line(target, harm)))


def _source_sites(
    operator: str, file: str, old: str, new: str, harm: Harm | None, subject: Subject
) -> Iterator[Mutant]:
    site, diff = file.rsplit("/", 1)[-1], f"{file}\n-{old}\n+{new}"
    yield Mutant(operator, subject.name, site, diff, partial(_attempt, file, old, new, harm))


def _attempt(file: str, old: str, new: str, harm: Harm | None, bait: Bait) -> Outcome:
    text = bait.workshop.text(file)
    if old not in text:
        raise LookupError(f"{file} no longer has {old!r}: mend hil/selftest/wire.py")
    firmware = bait.workshop.changed({file: text.replace(old, new, 1)})
    changes: dict[str, Any] = {} if harm is None else {"target": lambda target: Line(target, harm)}
    return bait.run(firmware, **changes)
