"""The quantised graph: what the firmware computes, integer by integer.

Tensors are maps of uint8 (after ReLU6), int8 (everything else between layers) or int16 (what leaves the network). A
real value is `scale * q`; only the image has an offset. Layers come in the order in which taps are numbered. This
module has the names of all its parts: formats.py, cells.py, layers.py, family.py.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from hil.compiler.quantised.cells import Cell, QCell
from hil.compiler.quantised.family import Family, RowLayer, StepLayer
from hil.compiler.quantised.formats import (
    CONF_BITS,
    GATE_BITS,
    GATE_STEP_BITS,
    GATE_TABLE,
    LIMITS,
    LOC_BITS,
    PRE_BITS,
    STATE_BITS,
    TANH_STEP_BITS,
    TANH_TABLE,
    TIED_STEP_BITS,
    TIED_TABLE,
    Dtype,
    Tensor,
)
from hil.compiler.quantised.layers import Gate, QAdd, QConv, QMean, QNorm, QPool

__all__ = [
    "CONF_BITS", "Cell", "Detector", "Dtype", "Family", "GATE_BITS", "GATE_STEP_BITS", "GATE_TABLE", "Gate",
    "LIMITS", "LOC_BITS", "Layer", "PRE_BITS", "QAdd", "QCell", "QConv", "QMean", "QNorm", "QPool",
    "QuantisedGraph", "RowLayer", "STATE_BITS", "Source", "StepLayer", "TANH_STEP_BITS", "TANH_TABLE",
    "TIED_STEP_BITS", "TIED_TABLE", "Tensor",
]  # fmt: skip

Layer = QConv | QPool | QNorm | QAdd | QMean | RowLayer | StepLayer


@dataclass(frozen=True)
class Source:
    """One map of anchors. loc, conf: names of tensors; *_channel: where in them the 4 offsets and the scores begin.

    background: how many background scores precede those of the classes (max-out); step, size: of the square priors, in
    pixels.
    """

    loc: str
    loc_channel: int
    conf: str
    conf_channel: int
    background: int
    step: int
    size: int


@dataclass(frozen=True)
class Detector:
    """The rules that make boxes of the heads' outputs.

    threshold: on a class's score minus the background's, CONF_BITS; classes: how many there are of them; weighted_nms:
    whether boxes move towards those that they suppress, and gain by them.
    """

    sources: tuple[Source, ...]
    threshold: int
    nms_iou: float
    candidates: int
    detections: int
    variances: tuple[float, float]
    classes: int = 1
    weighted_nms: bool = False

    @property
    def columns(self) -> int:
        """Numbers of a box: x0, y0, x1, y1, score, and its class where there are several."""
        return 5 if self.classes == 1 else 6


@dataclass(frozen=True)
class QuantisedGraph:
    """A whole network in integers, and how its outputs are read. `hil.compiler.integer` runs it."""

    model: str
    input: Tensor
    layers: tuple[Layer, ...]
    detector: Detector | None
    outputs: tuple[str, ...] = ()  # of a network that is neither detector nor classifier

    def layer(self, name: str) -> Layer:
        return next(layer for layer in self.layers if layer.name == name)

    def users(self, tensor: str) -> list[Layer]:
        """The layers that read a tensor."""
        return [layer for layer in self.layers if any(t.name == tensor for t in layer.inputs)]

    @property
    def hash(self) -> str:
        """16 hex digits over everything that decides an output."""
        digest = hashlib.sha256()
        _update(digest, self)
        return digest.hexdigest()[:16]


def _update(digest: hashlib._Hash, value: object) -> None:
    """Feeds a dataclass, tuple, array or plain value to a digest, unambiguously."""
    if isinstance(value, np.ndarray):
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, tuple):
        digest.update(f"({len(value)}".encode())
        for item in value:
            _update(digest, item)
    elif hasattr(value, "__dataclass_fields__"):
        digest.update(type(value).__name__.encode())
        for name in value.__dataclass_fields__:
            _update(digest, getattr(value, name))
    else:
        digest.update(repr(value).encode() + b";")
