"""The float operator graph: what a torch network consists of once batch norms are folded away.

An operator reads named tensors and writes one tensor that bears its own name. Maps are (H, W, C) with the batch left
out; a vector is a 1 x 1 map, so a fully connected layer is a 1 x 1 convolution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from hil.compiler.quantised import graph as q
from hil.errors import HilError

if TYPE_CHECKING:  # these take seconds to import, and a plan does without
    from torch import Tensor

    from hil.reference.rnnpool import RnnPool

FloatArray = np.ndarray
Shifts = Mapping[str, Sequence[float]]  # of a convolution's mean output, a value a channel, by its name


@dataclass(frozen=True)
class Conv:
    """Convolution with bias, zero padding and, where there is a ceiling, a clamp from 0 to it.

    weight: (out, in / groups, k, k); bias: (out,); groups is 1 or the number of channels (depthwise). ceiling: 6 for
    ReLU6, infinity for ReLU. dilation: pixels from tap to tap.
    """

    name: str
    input: str
    weight: FloatArray
    bias: FloatArray
    stride: int = 1
    padding: int = 0
    groups: int = 1
    ceiling: float | None = None
    dilation: int = 1

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


@dataclass(frozen=True)
class Pool:
    """An RNNPool layer; the module keeps its cells and geometry."""

    name: str
    input: str
    module: RnnPool

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


@dataclass(frozen=True)
class Norm:
    """L2Norm over the channels of a pixel, times weight (C,)."""

    name: str
    input: str
    weight: FloatArray

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


@dataclass(frozen=True)
class Add:
    """Sum of two maps of one shape (a residual), clamped from 0 to the ceiling where there is one."""

    name: str
    input: str
    other: str
    ceiling: float | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input, self.other)


@dataclass(frozen=True)
class Mean:
    """Mean over all pixels: (H, W, C) to (1, 1, C)."""

    name: str
    input: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


@dataclass(frozen=True)
class Own:
    """An operator that brings its own arithmetic: one of hil.compiler.families."""

    name: str
    inputs: tuple[str, ...]

    def apply(self, inputs: list[Tensor]) -> Tensor:
        """The output (N, C, H, W) in floating point."""
        raise NotImplementedError

    def quantise(self, sources: list[q.Tensor], largest: float) -> q.Layer:
        """The layer in integers. largest: the magnitude at which its output is clipped."""
        raise NotImplementedError


Operator = Conv | Pool | Norm | Add | Mean | Own


@dataclass(frozen=True)
class Head:
    """The pair of tensors that one detection source ends in."""

    loc: str
    conf: str


@dataclass
class FloatGraph:
    """Operators in an order in which each comes after what it reads.

    input_shape: (H, W, C) of the image; network input = (uint8 - input_mean) * input_scale, a value a channel.
    heads: a detector's sources in order, empty for others; output: a classifier's logits, else None; outputs: the
    tensors of a network that is neither.
    """

    input_shape: tuple[int, int, int]
    input_mean: tuple[float, ...]
    input_scale: tuple[float, ...]
    operators: list[Operator] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)
    output: str | None = None
    outputs: list[str] = field(default_factory=list)

    def shifted(self, shifts: Shifts) -> FloatGraph:
        """The graph with less bias, by what hil.compiler.bias found for a convolution's channels."""
        strange = sorted(shifts.keys() - {op.name for op in self.operators if isinstance(op, Conv)})
        if strange:
            raise HilError(f"there are bias shifts of {strange[0]}, which is no convolution here: calibrate again")
        return replace(self, operators=[_shifted(op, shifts) for op in self.operators])

    def users(self, tensor: str) -> list[Operator]:
        """The operators that read a tensor."""
        return [op for op in self.operators if tensor in op.inputs]


def need_zero(name: str, *tensors: q.Tensor) -> None:
    """Raise HilError for a tensor whose zero is not 0, as the image's, where an operator cannot make up for it."""
    for tensor in tensors:
        if any(tensor.zero):
            raise HilError(f"{name} reads {tensor.name} itself, whose zero is not 0: put a convolution in between")


def _shifted(op: Operator, shifts: Shifts) -> Operator:
    if not isinstance(op, Conv) or op.name not in shifts:
        return op
    shift = np.asarray(shifts[op.name])
    if shift.shape != op.bias.shape or not np.isfinite(shift).all():
        raise HilError(
            f"the bias shifts of {op.name} are not {len(op.bias)} numbers: calibrate again with hil quantise"
        )
    return replace(op, bias=op.bias - shift)


INPUT = "image"
