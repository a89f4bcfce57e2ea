"""What a bundle's JSON must hold, as types: one that says something else is named, with the place in it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from hil.bench.read_back import Run
from hil.reading import LARGEST, Count, Number

_PLAIN = r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z"  # a folder is made of that name
Name = Annotated[str, Meta(pattern=_PLAIN, max_length=100)]
Whole = Annotated[int, Meta(ge=-int(LARGEST), le=int(LARGEST))]
Side = Annotated[int, Meta(ge=1, le=1 << 16)]


class LimitSaid(Struct, forbid_unknown_fields=True):
    """One of limits.json (hil.bench.limits.Limit)."""

    value: Number | None
    is_required: bool | None = None
    least: Number | None = None


Limits = dict[str, LimitSaid]


class Sizes(Struct):
    """Of an ELF."""

    flash_bytes: Count
    static_by_memory: dict[str, Count]


class FirmwareSaid(Struct):
    """What the recording's header says of the firmware."""

    build_id: str
    elf_hash: str
    sizes: Sizes | None = None
    stack_bound: Count | None = None
    compiler: str | None = None


class FailureSaid(Struct, forbid_unknown_fields=True):
    """What failed."""

    kind: Literal["run", "error", "test"]
    text: str
    test: str | None = None


class About(Struct):
    """bundle.json."""

    target: str
    board: Name
    model: str
    preset: str
    failure: FailureSaid
    versions: dict[str, str]
    firmware: FirmwareSaid | None = None
    kernels: Literal["fast", "portable"] = "fast"
    timing: Literal["fast", "full"] | None = None
    sha256: str | None = None
    image: str | None = None
    left_out: list[str] = field(default_factory=list)


class Registers(Struct):
    """registers.json."""

    registers: dict[str, Whole]
    cycle: Count | None
    fault: str | None


class Input(Struct):
    """Of a plan."""

    width: Side
    height: Side
    channels: Side
    tile_rows: Side


class Buffer(Struct):
    """Of a plan, or a layer's."""

    name: str
    bytes: Count
    place: str
    offset: Count = 0


class Layer(Struct):
    """Of a plan."""

    name: str
    predicted_cycles: Number
    macs: Count
    output: dict[str, Any]
    waiting_cycles: Number = 0


class Tensor(Struct):
    """Of a plan."""

    name: str
    width: Side
    height: Side
    channels: Side
    dtype: Literal["uint8", "int8", "int16", "int32"]


class Detector(Struct):
    """Of a plan."""

    detections: Count


class Plan(Struct):
    """plan.json, as far as a run reads it."""

    model: str
    model_hash: str
    build_id: str
    input: Input
    layers: list[Layer]
    tensors: list[Tensor]
    buffers: list[Buffer]
    arena_bytes: Count
    weights_bytes: Count
    detector: Detector | None


MEMBERS = {"run.json": Run, "registers.json": Registers, "plan.json": Plan, "limits.json": Limits}
