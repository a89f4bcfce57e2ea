"""The results of one run, as a value and as run.json (schema 1: other tools read it, so its fields stay)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.bench.classify import Classification
from hil.bench.compare import CONFIDENT, Boxes, Divergence
from hil.bench.limits import Measurement, Verdict
from hil.bench.tensors import TensorFound
from hil.board import Board
from hil.files import write_text

SCHEMA = 1


@dataclass(frozen=True)
class FirmwareFacts:
    """Which firmware ran. flash_bytes is null where the ELF is not one for flash; compiler ("gcc 12.2.1") where it is
    not known. elf_hash: of the very ELF; changed: generated files that were changed by hand and are in it as they are.
    flash_by_section, flash_by_function: bytes, from the ELF's symbols; null where there is no ELF for flash.
    """

    build_id: str
    flash_bytes: int | None
    compiler: str | None = None
    elf_hash: str = ""
    changed: tuple[str, ...] = ()
    flash_by_section: dict[str, int] | None = None
    flash_by_function: dict[str, int] | None = None


@dataclass(frozen=True)
class ImageFacts:
    """What was streamed. sha256: of the file at `path`, or of the pixels where there is no file; sizes as sent."""

    path: str | None
    sha256: str
    width: int
    height: int
    fitted: bool = False


@dataclass(frozen=True)
class Cycles:
    """Where the time went. total = the layers + decode + the schedule between them: which layer's turn it is.

    mode: the timing model's, "fast" or "full", where that is the source. full_total: what the total is in its full
    mode, where the same image ran in both.
    """

    source: str | None
    clock_hz: int
    total: int | None
    layers: dict[str, int] | None
    decode: int | None
    mode: str | None = None
    full_total: int | None = None
    schedule: int | None = None

    @property
    def origin(self) -> str | None:
        """The source, with the timing model's mode."""
        return f"{self.source}, {self.mode}" if self.mode else self.source

    @property
    def full_difference(self) -> str | None:
        """How the full mode's total differs from this one, in words."""
        if self.full_total is None or not self.total:
            return None
        percent = 100 * (self.full_total / self.total - 1)
        return f"timing model in full mode: {self.full_total / 1e6:.1f} M cycles ({percent:+.1f} %)"

    @property
    def unit(self) -> str:
        """What all the numbers here are: on Renode the device's cycle counter counts instructions."""
        return "instructions" if self.source == "instructions" else "cycles"

    @property
    def milliseconds(self) -> float | None:
        """The total's time on the chip; None where it is unknown: instructions have none of their own."""
        return 1e3 * self.total / self.clock_hz if self.total is not None and self.unit == "cycles" else None


@dataclass(frozen=True)
class Ram:
    """Bytes of RAM. total_bytes = static_bytes (.data + .bss) + stack_used + heap_used; buffers: of the plan."""

    static_bytes: int | None
    arena_planned: int
    arena_used: int | None
    stack_used: int | None
    stack_bound: int | None
    heap_used: int | None
    total_bytes: int | None
    static_by_memory: dict[str, int] | None = None
    buffers: dict[str, int] | None = None


@dataclass(frozen=True)
class LinkCounts:
    """Bytes as the host saw them, and frames that had to be sent again."""

    bytes_in: int
    bytes_out: int
    retries: int


@dataclass(frozen=True)
class Run:
    """One image through one firmware on one target, with what the references say and the verdict.

    A detector finds boxes and has no classification; a classifier has one and finds no boxes. operating_point: the
    score from which on a person is shown a box. classes: names of the boxes', where there are several. digests: CRC-32
    of every tensor on the device, in hex, by its name.
    """

    target: str
    board: str
    model: str
    firmware: FirmwareFacts
    image: ImageFacts
    detections: Boxes
    reference_detections: Boxes
    float_detections: Boxes
    bit_exact: bool
    divergence: Divergence | None
    cycles: Cycles
    ram: Ram
    link: LinkCounts
    measurements: tuple[Measurement, ...]
    classification: Classification | None = None
    operating_point: float = CONFIDENT
    tensors: tuple[TensorFound, ...] = ()
    digests: dict[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Bit-exact, and every limit was measured, as far as the target can or it is required, and kept."""
        return self.bit_exact and not self.faults

    @property
    def faults(self) -> tuple[Measurement, ...]:
        """The measurements that a run cannot pass with."""
        return tuple(m for m in self.measurements if m.ok is False)

    @property
    def not_measured(self) -> tuple[str, ...]:
        """Names of the limits that were not held against anything."""
        return tuple(m.name for m in self.measurements if m.verdict is Verdict.NOT_MEASURED)

    @property
    def changed(self) -> tuple[str, ...]:
        """Generated files that were changed by hand and are in the firmware as they are."""
        return self.firmware.changed

    @property
    def shown(self) -> Boxes:
        """The device's boxes that a person is shown, best first."""
        boxes = self.detections[self.detections[:, 4] >= self.operating_point]
        found: Boxes = boxes[np.argsort(-boxes[:, 4], kind="stable")]
        return found

    def to_json(self) -> dict[str, Any]:
        """The run as run.json's object."""
        return {
            "schema": SCHEMA,
            "target": self.target,
            "board": self.board,
            "model": self.model,
            "firmware": asdict(self.firmware),
            "image": asdict(self.image),
            "detections": _boxes(self.detections, self.classes),
            "reference_detections": _boxes(self.reference_detections, self.classes),
            "float_detections": _boxes(self.float_detections, self.classes),
            "classification": self.classification.to_json() if self.classification else None,
            "tensors": [tensor.to_json() for tensor in self.tensors],
            "digests": self.digests,
            "bit_exact": self.bit_exact,
            "first_divergent_layer": self.divergence.layer if self.divergence else None,
            "divergence": asdict(self.divergence) if self.divergence else None,
            "cycles": asdict(self.cycles),
            "ram": asdict(self.ram),
            "link": asdict(self.link),
            "measurements": [_measurement(m) for m in self.measurements],
            "operating_point": self.operating_point,
            "not_measured": list(self.not_measured),
            "passed": self.passed,
        }


@dataclass(frozen=True)
class Subject:
    """A run with what it takes to draw it. pixels: the image as sent, (H, W, C) uint8; plan: plan.json."""

    run: Run
    pixels: NDArray[np.uint8]
    plan: dict[str, Any]
    board: Board


def _measurement(m: Measurement) -> dict[str, Any]:
    said = {"name": m.name, "value": m.value, "unit": m.unit, "limit": m.limit, "ok": m.ok}
    return said | {"verdict": m.verdict, "required": m.is_required, "cause": m.cause if m.ok is False else None}


def class_of(box: NDArray[np.float32], classes: Sequence[str]) -> str | None:
    """The name of a box's class; None where all are of one."""
    return classes[int(box[5])] if len(box) > 5 else None


def _boxes(boxes: Boxes, classes: Sequence[str]) -> list[dict[str, Any]]:
    """float32 boxes as JSON objects; the digits bring back the same float32."""
    found = []
    for box in boxes:
        said: dict[str, Any] = dict(zip(("x0", "y0", "x1", "y1", "score"), map(float, box[:5]), strict=True))
        name = class_of(box, classes)
        found.append(said if name is None else said | {"class": name})
    return found


def write_json(runs: Sequence[Run], path: Path) -> None:
    """Write one run as an object, several as a list; the file is there as a whole or not at all."""
    content = runs[0].to_json() if len(runs) == 1 else [run.to_json() for run in runs]
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
