"""Functions of one value: a table holds the results of all 256 values of 8 bits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hil.compiler.families.operators import Own, need_zero
from hil.compiler.quantised import graph as q

if TYPE_CHECKING:
    from torch import Tensor

FUNCTIONS = {  # of torch.nn.functional
    "relu": "relu", "relu6": "relu6", "hard_swish": "hardswish", "hard_sigmoid": "hardsigmoid", "silu": "silu",
    "sigmoid": "sigmoid", "tanh": "tanh", "leaky_relu": "leaky_relu",
}  # fmt: skip
NEVER_NEGATIVE = ("relu", "relu6", "hard_sigmoid", "sigmoid")
CYCLES = 6.5  # map_pixels, a value


@dataclass(frozen=True)
class Function(Own):
    """One of FUNCTIONS. slope: below 0, of a leaky ReLU."""

    kind: str
    slope: float = 0.0

    def apply(self, inputs: list[Tensor]) -> Tensor:
        import torch.nn.functional as F

        function: Any = getattr(F, FUNCTIONS[self.kind])
        made: Tensor = function(inputs[0], *([self.slope] if self.kind == "leaky_relu" else []))
        return made

    def quantise(self, sources: list[q.Tensor], largest: float) -> QFunction:
        import torch

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
