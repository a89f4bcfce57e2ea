"""A board that lies and a host that lies: whole frames, right in their CRC, whose fields are drawn from the tables."""

from __future__ import annotations

import random
from dataclasses import replace

from hil.link import frames
from hil.link import messages as m
from hil.link.fault import FAULT
from hil.link.frames import Decoder, Frame
from hil.link.layout import Field, Layout
from hil.link.messages import Object, Type
from hil.targets.base import Target
from hil.torture.line import TorturedLine

FROM_BOARD: dict[int, Layout] = {
    Type.WELCOME: m.WELCOME, Type.STATUS: m.STATUS, Type.REPEAT: m.STATUS, Type.DATA: m.DATA, Type.REFUSED: m.REFUSED,
    Type.FAULT: FAULT,
}  # fmt: skip
FROM_HOST: dict[int, Layout | None] = {
    Type.HELLO: None, Type.BEGIN: m.BEGIN, Type.TILE: m.TILE, Type.POLL: None, Type.READ: m.READ,
    Type.RELEASE: m.RELEASE,
}  # fmt: skip
OBJECTS: dict[int, Layout] = {
    Object.INFO: m.INFO, Object.RESULT: m.RESULT, Object.DETECTIONS: m.DETECTION, Object.LAYER_CYCLES: m.LAYER_CYCLES,
    Object.DIGESTS: m.DIGEST, Object.FAULT: FAULT, Object.LOGITS: m.LOGIT,
}  # fmt: skip
LIES = ("field", "length", "type", "sequence", "object", "sizes", "silence", "zeros", "chatter")
_MOODS = {  # what a board may go on with for ever; time is not waited for, the bound counts it
    "silence": b"", "zeros": bytes(4096), "chatter": frames.encode(Frame(Type.STATUS, 0xFFFF, bytes(m.STATUS.size))),
}  # fmt: skip
_ODD = (0, 1, 2, 5, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, (1 << 64) - 1)
_ODD_FLOATS = (float("nan"), float("inf"), -float("inf"), 1e38, -1.0, 2.0)


def drawn(field: Field, dice: random.Random) -> int | float | bytes:
    """A value for a field: within its range, at its ends, or outside."""
    if field.code.endswith("s"):
        return dice.randbytes(int(field.code[:-1]))
    if field.code == "f":
        return dice.choice((*_ODD_FLOATS, dice.uniform(-10, 1000)))
    least, most = (int(end) for end in replace(field, least=None, most=None).range)
    narrow = tuple(int(end) for end in field.range)
    near = tuple(end + step for end in narrow for step in (-1, 0, 1))
    return min(most, max(least, dice.choice((*_ODD, *near, dice.randint(*narrow), dice.randint(least, most)))))


def payload(layout: Layout | None, dice: random.Random) -> bytes:
    """A message of drawn fields, now and then of another length."""
    content = b"" if layout is None else layout.pack(*(drawn(field, dice) for field in layout.fields))
    if layout is not None and layout.has_body:
        content += dice.randbytes(dice.choice((0, 1, 8, 200, 256)))
    return (
        content
        if dice.random() < 0.9
        else content[: dice.randint(0, len(content))] + dice.randbytes(dice.choice((0, 3)))
    )


def hosts_frame(dice: random.Random, session: int) -> bytes:
    """A frame as a lying host sends it. session: the board's, which is named in half of them."""
    type = dice.choice([*FROM_HOST, dice.randint(0, 255)])
    if type in (Type.PROVOKE, Type.RESET):
        type = Type.POLL
    content = payload(FROM_HOST.get(type), dice)
    if type in (Type.BEGIN, Type.TILE, Type.RELEASE) and dice.random() < 0.5:
        content = ((session + (type == Type.BEGIN)) & 0xFFFF).to_bytes(2, "little") + content[2:]
    return frames.encode(Frame(type, dice.randint(0, 0xFFFF), content[:4000]))


class LyingBoard(TorturedLine):
    """A board some of whose frames are replaced by lies. lies: kinds of LIES by the number of the frame."""

    def __init__(self, target: Target, lies: dict[int, str], dice: random.Random) -> None:
        super().__init__(target, [], dice, lambda: None)
        self._lies, self._decoder, self._number = lies, Decoder(), 0
        self._mood = ""  # what it goes on with for ever

    def read(self, timeout_s: float) -> bytes:
        if self._mood:
            self.count_read()
            return _MOODS[self._mood]
        data = super().read(timeout_s)
        return b"".join(self._said(item) for item in self._decoder.feed(data) if isinstance(item, Frame))

    def _said(self, frame: Frame) -> bytes:
        lie = self._lies.get(self._number)
        self._number += 1
        if lie is None:
            return frames.encode(frame)
        self.done[lie] = self.done.get(lie, 0) + 1
        if lie in _MOODS:
            self._mood = lie
            return b""
        return frames.encode(_lied(lie, frame, self._dice))


def _lied(lie: str, frame: Frame, dice: random.Random) -> Frame:
    layout = FROM_BOARD.get(frame.type)
    if lie == "type":
        return replace(frame, type=dice.choice([*FROM_BOARD, dice.randint(0, 255)]))
    if lie == "sequence":
        return replace(
            frame, sequence=dice.choice((0, 0xFFFF, frame.sequence + 1 & 0xFFFF, frame.sequence + 100 & 0xFFFF))
        )
    if lie == "length" or layout is None or len(frame.payload) < layout.size:
        return replace(frame, payload=frame.payload[: dice.randint(0, len(frame.payload))])
    head, body = frame.payload[: layout.size], frame.payload[layout.size :]
    if lie == "object" and frame.type == Type.DATA and head[0] in OBJECTS:
        return replace(frame, payload=head + _changed(OBJECTS[head[0]], body, dice))
    if lie == "sizes" and frame.type == Type.DATA:
        extra = dice.choice((-1, 1, 4, 20))
        total = max(0, int.from_bytes(head[7:11], "little") + extra)
        return replace(frame, payload=head[:7] + total.to_bytes(4, "little") + (body + bytes(20))[: len(body) + extra])
    return replace(frame, payload=_changed(layout, head, dice) + body)


def _changed(layout: Layout, content: bytes, dice: random.Random) -> bytes:
    """One field of a message, or of a row of a table, drawn anew."""
    if len(content) < layout.size:
        return content
    row = dice.randrange(len(content) // layout.size) * layout.size
    number = dice.randrange(len(layout.fields))
    start = row + Layout("", *layout.fields[:number]).size
    new = Layout("", layout.fields[number]).pack(drawn(layout.fields[number], dice))
    return content[:start] + new + content[start + len(new) :]
