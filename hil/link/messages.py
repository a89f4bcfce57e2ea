"""What the frames say: one dataclass a message, little-endian as docs/link.md tables them.

firmware_src/include/messages.h is the other side.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from hil.link.errors import ProtocolError
from hil.link.fault import FaultReport

PROTOCOL = 2
TAP_NONE = -1
TAP_DIGESTS = -2
UNKNOWN = 0xFFFF_FFFF


class Type(IntEnum):
    """Frame types; the board's have bit 7 set."""

    HELLO = 0x01
    BEGIN = 0x02
    TILE = 0x03
    POLL = 0x04
    READ = 0x05
    RELEASE = 0x06
    PROVOKE = 0x07
    RESET = 0x08
    WELCOME = 0x81
    STATUS = 0x82
    REPEAT = 0x83
    DATA = 0x84
    REFUSED = 0x85
    FAULT = 0x86


class State(IntEnum):
    IDLE = 0
    RECEIVING = 1
    TAP_WAITS = 2
    DONE = 3


class Object(IntEnum):
    """What READ can ask for."""

    INFO = 0
    RESULT = 1
    DETECTIONS = 2
    LAYER_CYCLES = 3
    TAP_PIECE = 4
    DIGESTS = 5
    FAULT = 6
    LOGITS = 7


class Counter(IntEnum):
    """What became of the board's cycle counter while an image ran."""

    NONE = 0
    RUNS = 1
    STANDS_STILL = 2
    RAN_BACK = 3


class Provoke(IntEnum):
    STACK_OVERFLOW = 1
    NULL_CALL = 2
    UNALIGNED_LDRD = 3
    DIVIDE_BY_ZERO = 4
    WRITE_FLASH = 5
    ENDLESS_LOOP = 6
    JUMP_OUTSIDE = 7
    UNDEFINED_INSTRUCTION = 8
    READ_OUTSIDE = 9


REASONS = {
    1: "the payload has the wrong length",
    2: "this frame type is unknown to it",
    3: "it has no such layer to tap",
    4: "the image has another size than its network takes",
    5: "it has no such data at the moment",
    6: "it knows no such object",
    7: "this kind of board cannot do it",
}

_BEGIN = struct.Struct("<HhI")
_TILE = struct.Struct("<HI")
_READ = struct.Struct("<BHIIH")
_RELEASE = struct.Struct("<HH")
_WELCOME = struct.Struct("<HHIHHHB")
_STATUS = struct.Struct("<HBIIH")
_DATA = struct.Struct("<BHII")
_INFO = struct.Struct("<I12s2I7H2I24s16s32s16s32s")
_RESULT = struct.Struct("<3Q9I")
_FAULT_KEPT = 0x80

INFO_BYTES = _INFO.size
ELF_HASH_BYTES = 32  # at the end of INFO
TILE_HEADER_BYTES = _TILE.size
DATA_HEADER_BYTES = _DATA.size


def begin(session: int, tap: int, image_bytes: int) -> bytes:
    return _BEGIN.pack(session, tap, image_bytes)


def tile(session: int, offset: int, data: bytes) -> bytes:
    return _TILE.pack(session, offset) + data


def read(what: Object, index: int, offset: int, length: int, chunk: int) -> bytes:
    return _READ.pack(what, index, offset, length, chunk)


def release(session: int, piece: int) -> bytes:
    return _RELEASE.pack(session, piece)


@dataclass(frozen=True)
class Welcome:
    """What must be known before anything else can be asked. Its first field stays in place in every version."""

    protocol: int
    max_payload: int
    receive_bytes: int
    info_bytes: int
    session: int
    boots: int
    reset_cause: int


@dataclass(frozen=True)
class Status:
    """Where the board is. taken and limit: bytes of the image; piece: of the tapped layer's output, in state
    TAP_WAITS."""

    session: int
    state: State
    taken: int
    limit: int
    piece: int
    is_repeat: bool = False
    has_fault: bool = False


@dataclass(frozen=True)
class Data:
    """Part of an object of `total` bytes."""

    what: int
    index: int
    offset: int
    total: int
    data: bytes


@dataclass(frozen=True)
class Refusal:
    """The board will not do what a frame of this type asked for."""

    type: int
    reason: int

    def __str__(self) -> str:
        name = Type(self.type).name if self.type in Type._value2member_map_ else f"frame type {self.type:#04x}"
        return f"the board refuses {name}: {REASONS.get(self.reason, f'reason {self.reason}')}"


Message = Welcome | Status | Data | Refusal | FaultReport


def _parse_welcome(payload: bytes) -> Welcome:
    (protocol,) = struct.unpack_from("<H", payload)
    if protocol != PROTOCOL:
        return Welcome(protocol, 0, 0, 0, 0, 0, 0)  # what else it says we cannot know
    return Welcome(*_WELCOME.unpack(payload))


def parse(type: int, payload: bytes) -> Message:
    """The message in a frame from the board. Raises ValueError for what no board of this protocol sends."""
    try:
        match type:
            case Type.WELCOME:
                return _parse_welcome(payload)
            case Type.STATUS | Type.REPEAT:
                session, state, taken, limit, piece = _STATUS.unpack(payload)
                has_fault = bool(state & _FAULT_KEPT)
                return Status(session, State(state & ~_FAULT_KEPT), taken, limit, piece, type == Type.REPEAT, has_fault)
            case Type.DATA:
                what, index, offset, total = _DATA.unpack_from(payload)
                return Data(what, index, offset, total, payload[_DATA.size :])
            case Type.REFUSED:
                return Refusal(*struct.unpack("<BB", payload))
            case Type.FAULT:
                return FaultReport.parse(payload)
    except struct.error as error:
        raise ValueError(f"{Type(type).name} frame with {len(payload)} bytes of payload: {error}") from error
    raise ValueError(f"frame of unknown type {type:#04x}")


@dataclass(frozen=True)
class Info:
    """What the firmware is and what it runs on."""

    chip_id: int  # DBGMCU_IDCODE
    unique_id: str  # hex
    clock_hz: int
    baud: int
    width: int
    height: int
    channels: int
    tile_rows: int
    layers: int
    tensors: int
    max_detections: int
    arena_bytes: int
    stack_bytes: int
    board: str
    build_id: str
    model: str
    model_hash: str
    elf_hash: str

    @classmethod
    def parse(cls, data: bytes) -> Info:
        """Raises ProtocolError for another number of bytes."""
        chip_id, unique_id, *rest = _unpack(_INFO, data, Object.INFO)
        numbers, texts = rest[:-5], (field.rstrip(b"\0").decode("utf-8", "replace") for field in rest[-5:])
        return cls(chip_id, unique_id.hex(), *numbers, *texts)


@dataclass(frozen=True)
class Counts:
    """The board's own account of an image and of the link. None: the board cannot know."""

    cycles: int | None
    decode_cycles: int | None
    schedule_cycles: int | None
    detections: int
    stack_used: int | None
    heap_used: int | None
    arena_used: int | None
    frames: int
    damaged: int
    repeated: int
    overruns: int
    counter: Counter

    @classmethod
    def parse(cls, data: bytes) -> Counts:
        """Raises ProtocolError for another number of bytes, and a state of the counter that is none."""
        *cycles, detections, stack, heap, arena, frames, damaged, repeated, overruns, state = _unpack(
            _RESULT, data, Object.RESULT
        )
        if state not in Counter._value2member_map_:
            raise ProtocolError(f"the board's RESULT has counter {state}, expected 0 to {max(Counter)}")
        total, decode, schedule = cycles if state != Counter.NONE else (None, None, None)
        marks = _known(stack), _known(heap), _known(arena)
        return cls(total, decode, schedule, detections, *marks, frames, damaged, repeated, overruns, Counter(state))


def _unpack(layout: struct.Struct, data: bytes, what: Object) -> tuple[Any, ...]:
    if len(data) != layout.size:
        raise ProtocolError(f"the board's {what.name} has {len(data)} bytes, protocol {PROTOCOL} has {layout.size}")
    return layout.unpack(data)


def _known(mark: int) -> int | None:
    return None if mark == UNKNOWN else mark
