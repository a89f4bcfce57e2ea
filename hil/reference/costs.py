"""What a network costs by the paper's way of counting: parameters, multiply-accumulates, peak activations.

The paper counts RNNPool as its Algorithm 1 states it, window by window; the firmware shares what overlapping windows
have in common (hil plan counts that). Convolutions count without their batch norm, normalisations not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hil.reference.backbones import SqueezedMb
from hil.reference.blocks import MbConv
from hil.reference.catalogue import TableSpec, of_spec
from hil.reference.rnnpool import RnnPool

# Of the magnitudes in each matrix of M4's cells, how much EdgeML's training keeps.
KEPT_W1, KEPT_OTHERS = 0.5, 0.3
ELEMENTWISE = 3  # operations a unit and step: two products and a sum of the gated update


@dataclass(frozen=True)
class Costs:
    """parameters: trainable; zeroed: of them, those that EdgeML's sparse training sets to 0.

    convolutions, recurrent: multiply-accumulates an image; elements: updates of hidden units.
    largest_pair, largest_map: activations (numbers, not bytes) of the inverted residual behind RNNPool with most input
    plus output, and of the largest map behind RNNPool; of all, where a network has no RNNPool.
    """

    parameters: int
    zeroed: int
    convolutions: int
    recurrent: int
    sparse_recurrent: int
    elements: int
    largest_pair: int
    largest_map: int

    @property
    def macs(self) -> int:
        """All multiply-accumulates, dense."""
        return self.convolutions + self.recurrent

    @property
    def sparse_operations(self) -> int:
        """As the paper counts M4: sparse cells, and the gated update's own operations."""
        return self.convolutions + self.sparse_recurrent + ELEMENTWISE * self.elements


class _Counter:
    """Forward hooks that add up what a network does with one image."""

    def __init__(self, is_behind_pool: bool) -> None:
        self.zeroed = self.convolutions = self.recurrent = self.sparse_recurrent = self.elements = 0
        self.largest_pair = self.largest_map = 0
        self.is_behind_pool = is_behind_pool

    def convolution(self, module: nn.Conv2d, _: object, output: Tensor) -> None:
        self.convolutions += output.shape[2] * output.shape[3] * module.weight.numel()

    def linear(self, module: nn.Linear, *_: object) -> None:
        self.convolutions += module.weight.numel()

    def pool(self, module: RnnPool, _: object, output: Tensor) -> None:
        pad = int(module.pad)
        windows = (output.shape[2] - pad) * (output.shape[3] - pad)
        h1, h2, pixels = module.hidden1, module.hidden2, 2 * module.patch**2
        summaries = 4 * module.patch
        one, two = module.cell1, module.cell2
        matrices = one.W.numel(), one.U.numel(), two.W.numel(), two.U.numel()
        self.recurrent += windows * (pixels * sum(matrices[:2]) + summaries * sum(matrices[2:]))
        kept = [_kept(matrices[0], KEPT_W1), *(_kept(numbers, KEPT_OTHERS) for numbers in matrices[1:])]
        self.zeroed += sum(matrices) - sum(kept)
        self.sparse_recurrent += windows * (pixels * (kept[0] + kept[1]) + summaries * (kept[2] + kept[3]))
        self.elements += windows * (pixels * h1 + summaries * h2)

    def layer(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """A row of the network's table: the first RNNPool and what comes after it is what the paper's peak is about."""
        if self.is_behind_pool and isinstance(module, MbConv | SqueezedMb):
            self.largest_pair = max(self.largest_pair, inputs[0].numel() + output.numel())
        self.is_behind_pool |= isinstance(module, RnnPool)
        if self.is_behind_pool:
            self.largest_map = max(self.largest_map, output.numel())


def costs(spec: TableSpec) -> Costs:
    """The costs of one image through a network; shapes only, nothing is computed."""
    with torch.device("meta"):
        network = of_spec(spec).eval()
        counter = _Counter(not any(isinstance(module, RnnPool) for module in network.modules()))
        for module in network.modules():
            hook: Any = {nn.Conv2d: counter.convolution, nn.Linear: counter.linear, RnnPool: counter.pool}.get(
                type(module)
            )
            if hook is not None:
                module.register_forward_hook(hook)
        for layer in network.layers.values():
            layer.register_forward_hook(counter.layer)
        network(torch.zeros(1, *spec.input_shape))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    found = {name: value for name, value in vars(counter).items() if name != "is_behind_pool"}
    return Costs(parameters, **found)


def _kept(count: int, share: float) -> int:
    """How many of a matrix's entries reach the magnitude that its (1 - share) quantile, rounded up, has."""
    return count - int(-(-(1 - share) * (count - 1) // 1))
