"""Fully connected layers that read a whole map: sums grow while its rows come, and no row is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hil.compiler.families.operators import Own
from hil.compiler.quantised import graph as q

if TYPE_CHECKING:
    from torch import Tensor

# Cycles of dense_push_row: four values of four outputs, four outputs of a row, a widened value, the end of an output.
WORD, OUTPUTS, WIDENED, END = 24.0, 40.0, 1.6, 20.0
PLAIN = 8.0  # a value of one output


@dataclass(frozen=True)
class Dense(Own):
    """A fully connected layer of a whole map. weight: (out, C, H, W); bias: (out,). hil.compiler.quantise rounds it."""

    weight: np.ndarray
    bias: np.ndarray
    ceiling: float | None = None

    def apply(self, inputs: list[Tensor]) -> Tensor:
        import torch
        import torch.nn.functional as F

        y = F.conv2d(inputs[0], torch.from_numpy(self.weight).float(), torch.from_numpy(self.bias).float())
        return y if self.ceiling is None else y.clamp(0, self.ceiling)


@dataclass(frozen=True)
class QDense(q.StepLayer):
    """saturate(round(((sum w x + bias) << shift) * multiplier / 2^32)) over all pixels, round half up.

    weight: int8 (H, out, W * C) of the input's rows; bias, multiplier: int32 (out,). The output is a 1 x 1 map.
    """

    weight: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: int

    @property
    def macs(self) -> int:
        return int(self.weight.size)

    @property
    def emits(self) -> tuple[bool, ...]:
        return tuple(row == self.input.height - 1 for row in range(self.input.height))

    def run(self, inputs: list[np.ndarray]) -> np.ndarray:
        rows = inputs[0].reshape(self.input.height, -1).astype(np.int64)
        total = np.einsum("hoi,hi->o", self.weight.astype(np.int64), rows) + self.bias
        rounded = ((total << self.shift) * self.multiplier.astype(np.int64) + (1 << 31)) >> 32
        return np.clip(rounded, *q.LIMITS[self.output.dtype]).astype(self.output.dtype).reshape(1, 1, -1)

    def constants(self) -> Iterator[tuple[str, np.ndarray, str]]:
        height, out, length = self.weight.shape
        yield "weight", self.weight, f"[{height}][{out}][{length}]"
        yield "bias", self.bias, f"[{out}]"
        yield "multiplier", self.multiplier, f"[{out}]"

    def memory(self) -> dict[str, int]:
        length = self.input.width * self.input.channels
        return {"sums": 4 * self.output.channels, "wide": 2 * (length + -length % 4)}

    @property
    def cycles(self) -> float:
        height, out, length = self.weight.shape
        fast = out // 4 * (OUTPUTS + length // 4 * WORD + 4 * (length % 4) * PLAIN) + out % 4 * length * PLAIN
        return height * (WIDENED * length + fast) + END * out
