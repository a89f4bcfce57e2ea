"""The formats of the integer graph: a map of integers with a scale, and the fixed-point formats inside layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
CANDIDATE_LOC_BITS = 4  # and those that a detector's candidate keeps: int8 with 4 fractional bits, -8 to 8
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
