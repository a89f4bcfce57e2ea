"""run.json as a schema: what other programs may rely on."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from hil.bench.compare import Divergence
from hil.bench.limits import Verdict
from hil.bench.run import SCHEMA, Cycles, FirmwareFacts, ImageFacts, LinkCounts, Ram
from hil.bench.tensors import TensorFound


class Box(Struct, forbid_unknown_fields=True):
    """Corners in pixels of the image as sent; score from 0 to 1."""

    x0: float
    y0: float
    x1: float
    y1: float
    score: float


class MeasurementEntry(Struct, forbid_unknown_fields=True):
    """A number with its unit. limit: the largest value that passes; ok is null where nothing had to be measured."""

    name: str
    value: float | None
    unit: str
    limit: float | None
    ok: bool | None
    verdict: Verdict | None
    required: bool
    cause: str | None


class Classes(Struct, forbid_unknown_fields=True):
    """A classifier's answer: logits of device, integer reference and float model, one a class."""

    classes: list[str]
    logits: list[float]
    reference_logits: list[float]
    float_logits: list[float]
    predicted: str
    float_predicted: str


class RunFile(Struct, forbid_unknown_fields=True):
    """One run of an image, as run.json holds it. A field that a target cannot know is null, never 0."""

    schema: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA, description="1; a later number is another layout")]
    target: Annotated[str, Meta(description="sim, native, renode or serial")]
    board: str
    model: str
    firmware: FirmwareFacts
    image: ImageFacts
    detections: Annotated[list[Box], Meta(description="the device's boxes, from the network's own threshold on")]
    reference_detections: Annotated[list[Box], Meta(description="the integer reference's boxes")]
    float_detections: Annotated[list[Box], Meta(description="the float model's boxes")]
    classification: Annotated[Classes | None, Meta(description="null for a detector")]
    tensors: Annotated[list[TensorFound], Meta(description="outputs of a network that gives plain tensors")]
    digests: Annotated[dict[str, str], Meta(description="CRC-32 of each tensor on the device, in hex")]
    bit_exact: Annotated[bool, Meta(description="every tensor and every result equals the integer reference's")]
    first_divergent_layer: str | None
    divergence: Divergence | None
    cycles: Cycles
    ram: Ram
    link: LinkCounts
    measurements: list[MeasurementEntry]
    operating_point: Annotated[float, Meta(description="the lowest score of a box that people are shown")]
    not_measured: Annotated[list[str], Meta(description="limits of values that were not measured")]
    passed: bool
    origin: Annotated[dict[str, Any] | None, Meta(description="commit, branch, host: only in results folders")] = None


def json_schema() -> dict[str, Any]:
    """The JSON schema of run.json, which holds one run or a list of them."""
    one = msgspec.json.schema(RunFile)
    return one | {"title": "run.json of rnnpool-hil"}
