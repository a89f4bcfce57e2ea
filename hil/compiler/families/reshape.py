"""Values moved, not computed: channels repeated, and maps of twice the size.

A depth multiplier is a repetition of channels in front of a depthwise convolution. A transposed convolution of stride 2
is a convolution to four times as many channels, which are then laid out as 2 x 2 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hil.compiler.families.operators import Own, need_zero
from hil.compiler.quantised import graph as q

if TYPE_CHECKING:
    from torch import Tensor

REPEATED, PIXEL, COPIED = 2.5, 14.0, 0.8  # repeat_pixels, a value made; upsample_row: a pixel of input, a value


@dataclass(frozen=True)
class Repeat(Own):
    """Each channel so many times, one beside the other."""

    times: int

    def apply(self, inputs: list[Tensor]) -> Tensor:
        return inputs[0].repeat_interleave(self.times, 1)

    def quantise(self, sources: list[q.Tensor], largest: float) -> QRepeat:
        (source,) = sources
        need_zero(self.name, source)
        return QRepeat((source,), replace(source, name=self.name, channels=self.times * source.channels), self.times)


@dataclass(frozen=True)
class QRepeat(q.RowLayer):
    """Each channel `times` times."""

    times: int

    def run(self, inputs: list[np.ndarray]) -> np.ndarray:
        return inputs[0].repeat(self.times, 2)

    def row_cycles(self, pixels: int) -> float:
        return (COPIED if self.times == 1 else REPEATED) * pixels * self.output.channels


@dataclass(frozen=True)
class Upsample(Own):
    """(N, C, H, W) to twice the size: pixels repeated, or four groups of channels as 2 x 2 pixels (row by row)."""

    is_shuffle: bool

    def apply(self, inputs: list[Tensor]) -> Tensor:
        import torch.nn.functional as F

        (x,) = inputs
        if not self.is_shuffle:
            return F.interpolate(x, scale_factor=2.0, mode="nearest")
        n, channels, height, width = x.shape
        parts = x.reshape(n, 2, 2, channels // 4, height, width)
        return parts.permute(0, 3, 4, 1, 5, 2).reshape(n, channels // 4, 2 * height, 2 * width)

    def quantise(self, sources: list[q.Tensor], largest: float) -> QUpsample:
        (source,) = sources
        need_zero(self.name, source)
        channels = source.channels // 4 if self.is_shuffle else source.channels
        output = replace(source, name=self.name, height=2 * source.height, width=2 * source.width, channels=channels)
        return QUpsample((source,), output, self.is_shuffle)


@dataclass(frozen=True)
class QUpsample(q.StepLayer):
    """is_shuffle: channels (2, 2, C) become 2 x 2 pixels of C; otherwise each pixel becomes four."""

    is_shuffle: bool

    @property
    def halvings(self) -> int:
        return 1

    def run(self, inputs: list[np.ndarray]) -> np.ndarray:
        (x,) = inputs
        if not self.is_shuffle:
            return x.repeat(2, 0).repeat(2, 1)
        height, width, channels = x.shape
        parts = x.reshape(height, width, 2, 2, channels // 4)
        return np.ascontiguousarray(parts.transpose(0, 2, 1, 3, 4)).reshape(2 * height, 2 * width, channels // 4)

    @property
    def cycles(self) -> float:
        pixels = self.output.height * self.input.width
        return pixels * (PIXEL + 2 * COPIED * self.output.channels)
