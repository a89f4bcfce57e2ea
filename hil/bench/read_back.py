"""run.json as it is read back, as types: what comparisons and bundles need of it. Files of older versions have less."""

from __future__ import annotations

from msgspec import Struct

from hil.reading import Number

Numbers = dict[str, Number]


class Origin(Struct):
    """Where a result comes from, as far as it says."""

    commit: str | None = None
    committed: str | None = None
    branch: str | None = None
    dirty: bool | None = None
    test: str | None = None


class Measurement(Struct):
    """As in run.json."""

    name: str
    value: Number | None
    unit: str
    limit: Number | None
    ok: bool | None
    verdict: str | None = None
    cause: str | None = None


class Image(Struct):
    """Of a run."""

    sha256: str
    path: str | None = None


class Cycles(Struct):
    """Of a run; source: what counted them."""

    source: str | None
    layers: Numbers | None = None
    decode: Number | None = None
    schedule: Number | None = None


class Ram(Struct):
    """Of a run."""

    static_by_memory: Numbers | None = None
    buffers: Numbers | None = None


class Firmware(Struct):
    """Of a run."""

    compiler: str | None = None
    flash_by_section: Numbers | None = None
    flash_by_function: Numbers | None = None


class Box(Struct):
    """Corners in pixels, and a score."""

    x0: Number
    y0: Number
    x1: Number
    y1: Number
    score: Number


class Classes(Struct):
    """A classifier's answer."""

    predicted: str | None = None


class Tensor(Struct):
    """A plain tensor that leaves a network."""

    name: str


class Run(Struct):
    """run.json."""

    model: str
    target: str
    passed: bool
    bit_exact: bool
    first_divergent_layer: str | None
    operating_point: Number
    measurements: list[Measurement]
    image: Image
    cycles: Cycles
    ram: Ram
    firmware: Firmware
    detections: list[Box]
    reference_detections: list[Box] = []
    board: str | None = None
    tensors: list[Tensor] | None = None
    digests: dict[str, str] | None = None
    classification: Classes | None = None
    origin: Origin | None = None
