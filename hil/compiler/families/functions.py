"""Functions of one value: an 8-bit value has 256 of them, so a table says them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hil.compiler import graph as q
from hil.compiler.operators import Own, need_zero

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "hard_swish": F.hardswish,
    "hard_sigmoid": F.hardsigmoid,
    "silu": F.silu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}
NEVER_NEGATIVE = ("relu", "relu6", "hard_sigmoid", "sigmoid")
CYCLES = 6.5  # map_pixels, a value


@dataclass(frozen=True)
class Function(Own):
    """One of FUNCTIONS, or a leaky ReLU with the slope below 0 that is named."""

    kind: str
    slope: float = 0.0

    def apply(self, inputs: list[Tensor]) -> Tensor:
        return F.leaky_relu(inputs[0], self.slope) if self.kind == "leaky_relu" else FUNCTIONS[self.kind](inputs[0])

    def quantise(self, sources: list[q.Tensor], largest: float) -> QFunction:
        (source,) = sources
        need_zero(self.name, source)
        dtype: q.Dtype = "uint8" if self.kind in NEVER_NEGATIVE else "int8"
        scale = largest / q.LIMITS[dtype][1]
        output = q.Tensor(self.name, source.height, source.width, source.channels, dtype, (scale,))
        values = np.arange(256).astype(np.uint8).view(source.dtype).astype(np.float64) * source.scale[0]
        real = self.apply([torch.from_numpy(values)]).numpy()
        table = np.clip(np.rint(real / scale), *q.LIMITS[dtype]).astype(dtype).view(np.uint8)
        return QFunction((source,), output, table)


@dataclass(frozen=True)
class QFunction(q.RowLayer):
    """out = table[in], bytes of the output's type; table: uint8 (256,), by the input's byte, unsigned."""

    table: np.ndarray

    def run(self, inputs: list[np.ndarray]) -> np.ndarray:
        return self.table[inputs[0].view(np.uint8)].view(self.output.dtype)

    def constants(self) -> Iterator[tuple[str, np.ndarray, str]]:
        yield "table", self.table, "by the input's byte"

    def row_cycles(self, pixels: int) -> float:
        return CYCLES * pixels * self.output.channels
