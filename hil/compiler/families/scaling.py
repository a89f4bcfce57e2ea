"""Each channel of a map times a number of its own: what a squeeze-and-excitation block ends in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hil.compiler.families.operators import Own, need_zero
from hil.compiler.quantised import graph as q
from hil.errors import HilError

if TYPE_CHECKING:
    from torch import Tensor

CYCLES, CHANNEL = 8.0, 4.0  # scale_row: a value, and a channel's factor once a row


@dataclass(frozen=True)
class Scaling(Own):
    """A map (N, C, H, W) times a vector (N, C, 1, 1)."""

    def apply(self, inputs: list[Tensor]) -> Tensor:
        return inputs[0] * inputs[1]

    def quantise(self, sources: list[q.Tensor], largest: float) -> QScaling:
        need_zero(self.name, *sources)
        source, factors = sources
        if (factors.height, factors.width, factors.channels) != (1, 1, source.channels):
            raise HilError(f"{self.name} multiplies {source.name} by {factors.name}: a number a channel only")
        dtype: q.Dtype = "uint8" if source.dtype == factors.dtype == "uint8" else "int8"
        scale = largest / q.LIMITS[dtype][1]
        ratio = source.scale[0] * factors.scale[0] / scale
        shift = max(1, min(30, 13 - math.floor(math.log2(ratio))))
        output = q.Tensor(self.name, source.height, source.width, source.channels, dtype, (scale,))
        return QScaling((source, factors), output, min(round(ratio * 2**shift), 2**14), shift)


@dataclass(frozen=True)
class QScaling(q.StepLayer):
    """saturate((x * factor * multiplier + half) >> shift). Of 8 bits, 8 bits and 15: below 2^30 before the half."""

    multiplier: int
    shift: int

    @property
    def factors(self) -> q.Tensor:
        """The vector: its only row is there before the first step, and until the last."""
        return self.inputs[1]

    def run(self, inputs: list[np.ndarray]) -> np.ndarray:
        x, factors = (values.astype(np.int64) for values in inputs)
        scaled = (x * factors * self.multiplier + (1 << (self.shift - 1))) >> self.shift
        return np.clip(scaled, *q.LIMITS[self.output.dtype]).astype(self.output.dtype)

    @property
    def macs(self) -> int:
        return self.output.height * self.output.width * self.output.channels

    @property
    def cycles(self) -> float:
        return self.output.height * self.output.channels * (CHANNEL + CYCLES * self.output.width)
