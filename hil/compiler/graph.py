"""The quantised graph: what the firmware computes, integer by integer.

Tensors are maps of uint8 (after ReLU6), int8 (everything else between layers) or int16 (what leaves the network). A
real value is `scale * q`; only the image has an offset. Layers come in the order in which taps are numbered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

Dtype = Literal["uint8", "int8", "int16"]
LIMITS: dict[Dtype, tuple[int, int]] = {"uint8": (0, 255), "int8": (-128, 127), "int16": (-32768, 32767)}

# Fixed-point formats that are part of the arithmetic (docs/decisions.md):
STATE_BITS = 15  # hidden states and candidates: Q15
GATE_BITS = 14  # gates: Q14
PRE_BITS = 11  # W x: int16 with 11 fractional bits, -16 to 16
GATE_TABLE, GATE_STEP_BITS = 512, 5  # entries, an entry a 32nd: -8 to 8
TANH_TABLE, TANH_STEP_BITS = 1024, 7  # entries, an entry a 128th: -4 to 4
TIED_TABLE, TIED_STEP_BITS = 512, 5  # entries of a tied cell's only table, an entry a 32nd: -8 to 8
LOC_BITS = 10  # box offsets: int16 with 10 fractional bits
CONF_BITS = 8  # scores before softmax, and a classifier's logits: int16 with 8 fractional bits


@dataclass(frozen=True)
class Tensor:
    """A map (height, width, channels); scale: one for all channels, or one each.

    zero: the values that stand for 0 around the map (padding), one a channel; only the image's differ from 0.
    """

    name: str
    height: int
    width: int
    channels: int
    dtype: Dtype
    scale: tuple[float, ...]
    zero: tuple[int, ...] = (0,)

    @property
    def itemsize(self) -> int:
        return np.dtype(self.dtype).itemsize

    @property
    def row_bytes(self) -> int:
        return self.width * self.channels * self.itemsize


@dataclass(frozen=True)
class Gate:
    """Scores among a head's channels that decide whether the box offsets before them are worth making.

    A pixel passes whose channel `scores + background` is above the largest of the `background` channels from `scores`
    on by more than `threshold` (CONF_BITS).
    """

    scores: int
    background: int
    threshold: int


@dataclass(frozen=True)
class QConv:
    """Convolution: saturate(round(((sum w x + bias) << shift) * multiplier / 2^32)), round half up.

    weight: int8 (out, k, k, in), or (channels, k, k) where is_depthwise; bias, multiplier: int32 (out,). dilation:
    pixels from tap to tap. gate: of a detection head, whose channels before the scores are 0 where these do not pass.
    """

    input: Tensor
    output: Tensor
    weight: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: int
    stride: int
    padding: int
    is_depthwise: bool
    dilation: int = 1
    gate: Gate | None = None

    @property
    def name(self) -> str:
        return self.output.name

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.input,)

    @property
    def kernel(self) -> int:
        return int(self.weight.shape[1])

    @property
    def extent(self) -> int:
        """Rows, and columns, of input from the first tap to the last."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def macs(self) -> int:
        return self.output.height * self.output.width * int(self.weight.size)

    @property
    def least_macs(self) -> int:
        """What is left of them where no score of a gated head passes."""
        return self.output.height * self.output.width * int(self.weight[self.gate.scores if self.gate else 0 :].size)


@dataclass(frozen=True)
class QCell:
    """A FastGRNN cell in integers.

    wx = sat16((sum w x + offset) >> w_shift), PRE_BITS fractional bits; pre = (wx << u_shift) + sum u h;
    (z, g) = gates[pre], c = tanh[pre + update_offset], each clamped to its table's range;
    next state = (z h + g c) >> GATE_BITS, saturated.
    w: int16 (in, hidden); offset: int32 (hidden,), rounding and gate bias included; u: int16 (hidden, hidden);
    update_offset: int32 (hidden,), candidate's bias minus gate's.
    gates: int16 (GATE_TABLE, 2), z and zeta (1 - z) + nu; tanh: int16 (TANH_TABLE,).
    is_convex: zeta is 1 and nu 0, so that a state cannot leave -1 to 1.

    A tied cell, whose candidate's bias lies above the gate's by the same for all units, is looked up at once:
    (z, v) = gates[pre] with z in Q15 and v = (1 - z) c in Q14, and the next state = (z (h + 1) + 2^16 v) >> 15, which
    is what SMLABB makes of the table's word. gates: int16 (TIED_TABLE, 2), 2 |v| + z < 2^15; tanh and update_offset are
    empty.
    """

    w: np.ndarray
    offset: np.ndarray
    w_shift: int
    u: np.ndarray
    u_shift: int
    update_offset: np.ndarray
    gates: np.ndarray
    tanh: np.ndarray
    is_convex: bool

    @property
    def hidden(self) -> int:
        return int(self.u.shape[0])

    @property
    def rows(self) -> int:
        """Values of W x."""
        return self.hidden

    @property
    def state(self) -> int:
        """Values that a step hands to the next."""
        return self.hidden

    @property
    def end_of_u(self) -> np.ndarray:
        """int32 (rows,): what lies behind U's rows in the firmware."""
        return self.update_offset

    @property
    def is_tied(self) -> bool:
        return self.tanh.size == 0

    @property
    def gate_shift(self) -> int:
        """From pre to an index of `gates`."""
        return PRE_BITS + self.u_shift - (TIED_STEP_BITS if self.is_tied else GATE_STEP_BITS)

    @property
    def tanh_shift(self) -> int:
        """From pre to an index of `tanh`."""
        return PRE_BITS + self.u_shift - TANH_STEP_BITS


class Cell(Protocol):
    """A QCell or, of a GRU or an LSTM, a hil.compiler.gated.QGated."""

    @property
    def w(self) -> np.ndarray: ...
    @property
    def offset(self) -> np.ndarray: ...
    @property
    def w_shift(self) -> int: ...
    @property
    def u(self) -> np.ndarray: ...
    @property
    def u_shift(self) -> int: ...
    @property
    def gates(self) -> np.ndarray: ...
    @property
    def tanh(self) -> np.ndarray: ...
    @property
    def hidden(self) -> int: ...
    @property
    def is_tied(self) -> bool: ...
    @property
    def rows(self) -> int: ...
    @property
    def state(self) -> int: ...
    @property
    def end_of_u(self) -> np.ndarray: ...


@dataclass(frozen=True)
class QPool:
    """RNNPool: two sweeps of cell1, four of cell2, out = sat8((state + 128) >> 8)."""

    input: Tensor
    output: Tensor
    cell1: Cell
    cell2: Cell
    patch: int
    stride: int
    is_padded: bool

    @property
    def name(self) -> str:
        return self.output.name

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.input,)

    @property
    def windows(self) -> tuple[int, int]:
        """Windows down and across."""
        down, across = ((n - self.patch) // self.stride + 1 for n in (self.input.height, self.input.width))
        return down, across

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the shared sweeps as the firmware does them (first steps have no U h)."""
        down, across = self.windows
        rows = (down - 1) * self.stride + self.patch
        columns = (across - 1) * self.stride + self.patch
        one, two = self.cell1, self.cell2
        project = rows * columns * self.input.channels * one.rows
        sweeps = (rows * across + columns * down) * ((self.patch - 1) * one.u.size + one.hidden * two.rows)
        return project + sweeps + down * across * 4 * (self.patch - 1) * two.u.size


@dataclass(frozen=True)
class QNorm:
    """L2Norm: round(x * gain * m / 2^32) with m = 2^26 / sqrt(sum x^2), rounded as integer.inverse_sqrt does.

    gain: int32 (C,).
    """

    input: Tensor
    output: Tensor
    gain: np.ndarray

    @property
    def name(self) -> str:
        return self.output.name

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.input,)

    @property
    def macs(self) -> int:
        return 2 * self.input.height * self.input.width * self.input.channels

    @property
    def stored_gain(self) -> np.ndarray:
        """The gain as the firmware has it: int16 where it fits."""
        return self.gain.astype(np.int16) if np.abs(self.gain).max() < 2**15 else self.gain


@dataclass(frozen=True)
class QAdd:
    """Sum of two maps: saturate((a * multiplier_a + b * multiplier_b + half) >> shift); multipliers fit int16.

    uint8 behind a ReLU, int8 otherwise.
    """

    input: Tensor
    other: Tensor
    output: Tensor
    multiplier_a: int
    multiplier_b: int
    shift: int

    @property
    def name(self) -> str:
        return self.output.name

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.input, self.other)

    @property
    def macs(self) -> int:
        return 0


@dataclass(frozen=True)
class QMean:
    """Mean over all pixels: saturate(round(sum * multiplier / 2^32)) of the same kind as the input."""

    input: Tensor
    output: Tensor
    multiplier: int

    @property
    def name(self) -> str:
        return self.output.name

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.input,)

    @property
    def macs(self) -> int:
        return 0


@dataclass(frozen=True)
class Family:
    """A layer that brings its own arithmetic: one of hil.compiler.families. Its kernel gives the same bits as `run`."""

    inputs: tuple[Tensor, ...]
    output: Tensor

    @property
    def name(self) -> str:
        return self.output.name

    @property
    def input(self) -> Tensor:
        return self.inputs[0]

    @property
    def macs(self) -> int:
        """Multiply-accumulates an image; 0 for a layer that has none to speak of."""
        return 0

    def run(self, inputs: list[np.ndarray]) -> np.ndarray:
        """The output (H, W, C) for inputs (H, W, C)."""
        raise NotImplementedError

    def constants(self) -> Iterator[tuple[str, np.ndarray, str]]:
        """The firmware's arrays: the end of the name, the values, their shape in words."""
        return iter(())


@dataclass(frozen=True)
class RowLayer(Family):
    """A layer that makes a row from left to right, each pixel from a window of its input: it can be part of a chain."""

    @property
    def window(self) -> tuple[int, int, int]:
        """Rows (and columns) of a window, stride, padding."""
        return 1, 1, 0

    def row_cycles(self, pixels: int) -> float:
        """Predicted cycles of some pixels of a row."""
        raise NotImplementedError


@dataclass(frozen=True)
class StepLayer(Family):
    """A layer that takes rows one after another, as many steps as it says, each from row step >> halvings."""

    @property
    def halvings(self) -> int:
        """How often the number of steps is to be halved for the number of rows of input."""
        return 0

    @property
    def emits(self) -> tuple[bool, ...]:
        """For each step whether it completes a row of the output."""
        return (True,) * self.output.height

    def memory(self) -> dict[str, int]:
        """Bytes that it keeps from its first step to its last, by the end of the buffer's name."""
        return {}

    @property
    def cycles(self) -> float:
        """Predicted cycles of an image."""
        raise NotImplementedError


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

    threshold: on a class's score minus the background's, CONF_BITS; classes: how many there are of them.
    """

    sources: tuple[Source, ...]
    threshold: int
    nms_iou: float
    candidates: int
    detections: int
    variances: tuple[float, float]
    classes: int = 1

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
