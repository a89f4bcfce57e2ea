"""What the frames say: one dataclass a message, little-endian as docs/link.md tables them.

firmware_src/include/messages.h is the other side.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from hil.link.errors import BadAnswer
from hil.link.fault import FAULT, FaultReport
from hil.link.layout import Field, Layout, text

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

_FAULT_KEPT = 0x80
_SIDE, _MANY = (1, 1 << 14), (1, 1 << 15)

# from the host
BEGIN = Layout("BEGIN", Field("session", "H"), Field("tap", "h", TAP_DIGESTS), Field("image_bytes", "I", 1))
TILE = Layout("TILE", Field("session", "H"), Field("offset", "I"), has_body=True)
READ = Layout(
    "READ", Field("object", "B", 0, max(Object)), Field("index", "H"), Field("offset", "I"), Field("length", "I"),
    Field("chunk", "H", 1),
)  # fmt: skip
RELEASE = Layout("RELEASE", Field("session", "H"), Field("piece", "H"))
PROVOKE = Layout("PROVOKE", Field("kind", "B", min(Provoke), max(Provoke)))

# from the board
INFO = Layout(
    "INFO", Field("chip_id", "I"), Field("unique_id", "12s"), Field("clock_hz", "I", 0, 1 << 30),
    Field("baud", "I", 0, 1 << 26), Field("width", "H", *_SIDE), Field("height", "H", *_SIDE),
    Field("channels", "H", 1, 1 << 10), Field("tile_rows", "H", *_SIDE), Field("layers", "H", *_MANY),
    Field("tensors", "H", *_MANY), Field("max_detections", "H"), Field("arena_bytes", "I", 0, 1 << 28),
    Field("stack_bytes", "I", 0, 1 << 28), text("board", 24), text("build_id", 16), text("model", 32),
    text("model_hash", 16), text("elf_hash", 32),
)  # fmt: skip
WELCOME = Layout(
    "WELCOME", Field("protocol", "H", PROTOCOL, PROTOCOL), Field("max_payload", "H", 64, 4000),
    Field("receive_bytes", "I", 64, 1 << 24), Field("info_bytes", "H", INFO.size, INFO.size),
    Field("session", "H"), Field("boots", "H"),
    Field("reset_cause", "B"),
)  # fmt: skip
STATUS = Layout(
    "STATUS", Field("session", "H"), Field("state", "B"), Field("taken", "I"), Field("limit", "I"), Field("piece", "H")
)
DATA = Layout(
    "DATA", Field("object", "B"), Field("index", "H"), Field("offset", "I"), Field("total", "I"), has_body=True
)
REFUSED = Layout("REFUSED", Field("type", "B"), Field("reason", "B"))

# objects; of DETECTIONS, LAYER_CYCLES, DIGESTS and LOGITS a row; INFO stands above
RESULT = Layout(
    "RESULT", *(Field(name, "Q") for name in ("cycles", "decode_cycles", "schedule_cycles")),
    *(Field(name, "I") for name in ("detections", "stack_used", "heap_used", "arena_used")),
    *(Field(name, "I") for name in ("frames", "damaged", "repeated", "overruns")),
    Field("counter", "I", min(Counter), max(Counter)),
)  # fmt: skip
_FAR = 1e30  # pixels: finite, that is; a network may say what it likes
DETECTION = Layout(
    "DETECTIONS", *(Field(name, "f", -_FAR, _FAR) for name in ("x0", "y0", "x1", "y1")), Field("score", "f", 0.0, 1.0)
)
CLASSED_DETECTION = Layout("DETECTIONS", *DETECTION.fields, Field("class", "f", 0.0, 65535.0))
LAYER_CYCLES = Layout("LAYER_CYCLES", Field("cycles", "Q"))
DIGEST = Layout("DIGESTS", Field("crc", "I"))
LOGIT = Layout("LOGITS", Field("logit", "h"))

INFO_BYTES = INFO.size
ELF_HASH_BYTES = 32  # at the end of INFO
TILE_HEADER_BYTES = TILE.size
DATA_HEADER_BYTES = DATA.size
LONGEST_OBJECT = 1 << 24  # a board has no memory for more
BYTES_OF = {Object.INFO: INFO.size, Object.RESULT: RESULT.size, Object.FAULT: FAULT.size}


def begin(session: int, tap: int, image_bytes: int) -> bytes:
    return BEGIN.pack(session, tap, image_bytes)


def tile(session: int, offset: int, data: bytes) -> bytes:
    return TILE.pack(session, offset) + data


def read(what: Object, index: int, offset: int, length: int, chunk: int) -> bytes:
    return READ.pack(what, index, offset, length, chunk)


def release(session: int, piece: int) -> bytes:
    return RELEASE.pack(session, piece)


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


_STATES = {int(state): state for state in State}
Message = Welcome | Status | Data | Refusal | FaultReport


def _parse_welcome(payload: bytes) -> Welcome:
    protocol = int.from_bytes(payload[:2], "little")
    if len(payload) >= 2 and protocol != PROTOCOL:
        return Welcome(protocol, 0, 0, 0, 0, 0, 0)  # what else it says we cannot know
    return Welcome(*WELCOME.unpack(payload))


def _parse_status(type: int, payload: bytes) -> Status:
    session, state, taken, limit, piece = STATUS.unpack(payload)
    bare = state & ~_FAULT_KEPT
    known = _STATES.get(bare)
    if known is None:
        raise BadAnswer("STATUS", "state", bare, f"0 to {max(State)}")
    return Status(session, known, taken, limit, piece, type == Type.REPEAT, bool(state & _FAULT_KEPT))


def _parse_data(payload: bytes) -> Data:
    what, index, offset, total = DATA.unpack(payload)
    body = payload[DATA.size :]
    if total > LONGEST_OBJECT:
        raise BadAnswer("DATA", "total", total, f"0 to {LONGEST_OBJECT}")
    if offset + len(body) > total:
        raise BadAnswer("DATA", "offset", offset, f"0 to {total - len(body)} with {len(body)} of {total} bytes")
    return Data(what, index, offset, total, body)


def parse(type: int, payload: bytes) -> Message:
    """The message in a frame from the board. Raises BadAnswer for what no board of this protocol sends."""
    match type:
        case Type.WELCOME:
            return _parse_welcome(payload)
        case Type.STATUS | Type.REPEAT:
            return _parse_status(type, payload)
        case Type.DATA:
            return _parse_data(payload)
        case Type.REFUSED:
            return Refusal(*REFUSED.unpack(payload))
        case Type.FAULT:
            return FaultReport.parse(payload)
    raise BadAnswer("frame", "type", f"{type:#04x}", "one of " + ", ".join(t.name for t in Type if t & 0x80))


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
        """Raises BadAnswer for another number of bytes, and values that no board has."""
        chip_id, unique_id, *rest = INFO.unpack(data)
        return cls(chip_id, unique_id.hex(), *rest)


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
        """Raises BadAnswer for another number of bytes, and a state of the counter that is none."""
        *cycles, detections, stack, heap, arena, frames, damaged, repeated, overruns, state = RESULT.unpack(data)
        total, decode, schedule = cycles if state != Counter.NONE else (None, None, None)
        marks = _known(stack), _known(heap), _known(arena)
        return cls(total, decode, schedule, detections, *marks, frames, damaged, repeated, overruns, Counter(state))


def _known(mark: int) -> int | None:
    return None if mark == UNKNOWN else mark
