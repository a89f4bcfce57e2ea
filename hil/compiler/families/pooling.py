"""Windows of k x k pixels, channel by channel: their average or their largest value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from hil.compiler.families.operators import Own, need_zero
from hil.compiler.quantised import graph as q

if TYPE_CHECKING:
    from torch import Tensor

# Cycles of pool_pixels: a tap of four channels, and the end of a pixel's four.
LARGEST_TAP, LARGEST_END = 4.0, 13.0
AVERAGE_TAP, AVERAGE_END = 5.0, 36.0
PLAIN_TAP, PLAIN_END = 9.0, 20.0  # a channel at a time


@dataclass(frozen=True)
class Window(Own):
    """Average or largest value; zeros around the map count in an average, and nothing there is the largest."""

    kernel: int
    stride: int
    padding: int
    is_largest: bool

    def apply(self, inputs: list[Tensor]) -> Tensor:
        import torch.nn.functional as F

        pool = F.max_pool2d if self.is_largest else F.avg_pool2d
        pooled: Tensor = pool(inputs[0], self.kernel, self.stride, self.padding)
        return pooled

    def quantise(self, sources: list[q.Tensor], largest: float) -> QWindow:
        """Neither changes the scale, so that nothing is lost."""
        (source,) = sources
        need_zero(self.name, source)
        height, width = ((n + 2 * self.padding - self.kernel) // self.stride + 1 for n in (source.height, source.width))
        output = replace(source, name=self.name, height=height, width=width)
        multiplier = 0 if self.is_largest else min(round(2**32 / self.kernel**2), 2**31 - 1)
        return QWindow((source,), output, self.kernel, self.stride, self.padding, multiplier)


@dataclass(frozen=True)
class QWindow(q.RowLayer):
    """The largest value where multiplier is 0, else saturate(round(sum * multiplier / 2^32)), round half up."""

    kernel: int
    stride: int
    padding: int
    multiplier: int

    @property
    def is_largest(self) -> bool:
        return self.multiplier == 0

    @property
    def window(self) -> tuple[int, int, int]:
        return self.kernel, self.stride, self.padding

    def run(self, inputs: list[np.ndarray]) -> np.ndarray:
        p, s = self.padding, self.stride
        outside = q.LIMITS[self.input.dtype][0] if self.is_largest else 0
        padded = np.pad(inputs[0].astype(np.int64), ((p, p), (p, p), (0, 0)), constant_values=outside)
        windows = sliding_window_view(padded, (self.kernel, self.kernel), (0, 1))[::s, ::s]
        if self.is_largest:
            return windows.max((3, 4)).astype(self.output.dtype)
        rounded = (windows.sum((3, 4)) * self.multiplier + (1 << 31)) >> 32
        return np.clip(rounded, *q.LIMITS[self.output.dtype]).astype(self.output.dtype)

    def row_cycles(self, pixels: int) -> float:
        taps, channels = self.kernel**2, self.output.channels
        tap, end = (LARGEST_TAP, LARGEST_END) if self.is_largest else (AVERAGE_TAP, AVERAGE_END)
        return pixels * (channels // 4 * (tap * taps + end) + channels % 4 * (PLAIN_TAP * taps + PLAIN_END))
