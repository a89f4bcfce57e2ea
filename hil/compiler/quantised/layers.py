"""The layers of RNNPool networks in integers: what each computes, and its constants. Others: family.py."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hil.compiler.quantised.cells import Cell
from hil.compiler.quantised.formats import Tensor


@dataclass(frozen=True)
class Gate:
    """Scores among a head's channels that decide whether the box offsets before them are worth making.

    A pixel passes whose channel `scores + background` is above the largest of the `background` channels from `scores`
    on by more than `threshold` (CONF_BITS).
    """

    scores: int
    background: int
    threshold: int


class _Layer:
    """A layer of one input, called as its output is."""

    input: Tensor
    output: Tensor

    @property
    def name(self) -> str:
        return self.output.name

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.input,)


@dataclass(frozen=True)
class QConv(_Layer):
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
class QPool(_Layer):
    """RNNPool: two sweeps of cell1, four of cell2, out = sat8((state + 128) >> 8)."""

    input: Tensor
    output: Tensor
    cell1: Cell
    cell2: Cell
    patch: int
    stride: int
    is_padded: bool

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
class QNorm(_Layer):
    """L2Norm: round(x * gain * m / 2^32) with m = 2^26 / sqrt(sum x^2), rounded as integer.inverse_sqrt does.

    gain: int32 (C,).
    """

    input: Tensor
    output: Tensor
    gain: np.ndarray

    @property
    def macs(self) -> int:
        return 2 * self.input.height * self.input.width * self.input.channels

    @property
    def stored_gain(self) -> np.ndarray:
        """The gain as the firmware has it: int16 where it fits."""
        return self.gain.astype(np.int16) if np.abs(self.gain).max() < 2**15 else self.gain


@dataclass(frozen=True)
class QAdd(_Layer):
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
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.input, self.other)

    @property
    def macs(self) -> int:
        return 0


@dataclass(frozen=True)
class QMean(_Layer):
    """Mean over all pixels: saturate(round(sum * multiplier / 2^32)) of the same kind as the input."""

    input: Tensor
    output: Tensor
    multiplier: int

    @property
    def macs(self) -> int:
        return 0
