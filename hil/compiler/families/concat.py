"""Maps of one size side by side, channel after channel, in one scale."""

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

MOST_INPUTS = 9  # feeds of a node in kernels/schedule.h
CYCLES, COPIED = 6.0, 0.8  # concat_row: a value in another scale, and one in the same
PIXEL = 12.0  # of one input


@dataclass(frozen=True)
class Concat(Own):
    """Channels of the first input, then of the second, and so on."""

    def apply(self, inputs: list[Tensor]) -> Tensor:
        import torch

        return torch.cat(inputs, 1)

    def quantise(self, sources: list[q.Tensor], largest: float) -> QConcat:
        need_zero(self.name, *sources)
        first = sources[0]
        for source in sources[1:]:
            if (source.height, source.width) != (first.height, first.width):
                raise HilError(
                    f"{self.name} lays {first.name} of {first.width}x{first.height} pixels beside {source.name} "
                    f"of {source.width}x{source.height}: maps of one size only"
                )
        dtype: q.Dtype = "uint8" if all(source.dtype == "uint8" for source in sources) else "int8"
        scale = largest / q.LIMITS[dtype][1]
        same = {(source.dtype, source.scale) for source in sources}
        if len(same) == 1:
            ((dtype, (scale,)),) = same  # nothing is lost
        channels = sum(source.channels for source in sources)
        output = q.Tensor(self.name, first.height, first.width, channels, dtype, (scale,))
        ratios = [source.scale[0] / scale for source in sources]
        shift = min(20, 14 - math.floor(math.log2(max(ratios))))
        return QConcat(tuple(sources), output, tuple(round(ratio * 2**shift) for ratio in ratios), shift)


@dataclass(frozen=True)
class QConcat(q.StepLayer):
    """saturate((x * multiplier + half) >> shift) of each input, one multiplier each; they fit int16."""

    multipliers: tuple[int, ...]
    shift: int

    @property
    def copies(self) -> tuple[bool, ...]:
        """Which inputs are in the output's scale and type already."""
        pairs = zip(self.inputs, self.multipliers, strict=True)
        return tuple(m == 1 << self.shift and source.dtype == self.output.dtype for source, m in pairs)

    def run(self, inputs: list[np.ndarray]) -> np.ndarray:
        half = 1 << (self.shift - 1)
        parts = [(x.astype(np.int64) * m + half) >> self.shift for x, m in zip(inputs, self.multipliers, strict=True)]
        return np.clip(np.concatenate(parts, 2), *q.LIMITS[self.output.dtype]).astype(self.output.dtype)

    @property
    def cycles(self) -> float:
        pixels = self.output.height * self.output.width
        costs = (PIXEL + source.channels * (COPIED if is_copy else CYCLES)
                 for source, is_copy in zip(self.inputs, self.copies, strict=True))  # fmt: skip
        return pixels * sum(costs)
