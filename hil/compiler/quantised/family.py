"""What a layer has to have that brings its own arithmetic: those of hil.compiler.families."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hil.compiler.quantised.formats import Tensor


@dataclass(frozen=True)
class Family:
    """A layer that brings its own arithmetic: one of hil.compiler.families. Its kernel gives the same bits as `run`."""

    inputs: tuple[Tensor, ...]
    output: Tensor

    @property
    def name(self) -> str:
        return self.output.name

    @property
    def input(self) -> Tensor:
        return self.inputs[0]

    @property
    def macs(self) -> int:
        """Multiply-accumulates an image; 0 for a layer that has none to speak of."""
        return 0

    def run(self, inputs: list[np.ndarray]) -> np.ndarray:
        """The output (H, W, C) for inputs (H, W, C)."""
        raise NotImplementedError

    def constants(self) -> Iterator[tuple[str, np.ndarray, str]]:
        """The firmware's arrays: the end of the name, the values, their shape in words."""
        return iter(())


@dataclass(frozen=True)
class RowLayer(Family):
    """A layer that makes a row from left to right, each pixel from a window of its input: it can be part of a chain."""

    @property
    def window(self) -> tuple[int, int, int]:
        """Rows (and columns) of a window, stride, padding."""
        return 1, 1, 0

    def row_cycles(self, pixels: int) -> float:
        """Predicted cycles of some pixels of a row."""
        raise NotImplementedError


@dataclass(frozen=True)
class StepLayer(Family):
    """A layer that takes rows one after another, as many steps as it says, each from row step >> halvings."""

    @property
    def halvings(self) -> int:
        """How often the number of steps is to be halved for the number of rows of input."""
        return 0

    @property
    def emits(self) -> tuple[bool, ...]:
        """For each step whether it completes a row of the output."""
        return (True,) * self.output.height

    def memory(self) -> dict[str, int]:
        """Bytes that it keeps from its first step to its last, by the end of the buffer's name."""
        return {}

    @property
    def cycles(self) -> float:
        """Predicted cycles of an image."""
        raise NotImplementedError
