"""Activation ranges from sample images: where each tensor is clipped so that 8 bits lose least."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hil.compiler.families.operators import INPUT, Add, Conv, FloatGraph, Mean, Norm, Operator, Own, Pool
from hil.compiler.reading.trace import trace
from hil.errors import HilError

Ranges = dict[str, float]
BINS = 2048


def calibrate(network: nn.Module, images: Iterable[np.ndarray]) -> Ranges:
    """The magnitude at which to clip each tensor of the network's operator graph, by the tensor's name.

    images: uint8 (H, W, C) of the network's input size; a few hundred typical ones. For every tensor the clipping
    point that minimises the mean squared error of 8-bit rounding over all of them is chosen from a histogram.
    Raises HilError when there is no image.
    """
    graph = trace(network)
    histograms = {op.name: _Histogram() for op in graph.operators}
    count = 0
    for image in images:
        for name, value in run_float(graph, image).items():
            if name != INPUT:
                histograms[name].add(value.numpy())
        count += 1
    if count == 0:
        raise HilError("calibration needs at least one image (a few hundred typical ones), found none")
    return {name: histogram.clipping_point() for name, histogram in histograms.items()}


@torch.no_grad()
def run_float(graph: FloatGraph, image: np.ndarray) -> dict[str, Tensor]:
    """Every tensor of the operator graph, (C, H, W) float32, for one uint8 (H, W, C) image."""
    mean, scale = (torch.tensor(v).view(-1, 1, 1) for v in (graph.input_mean, graph.input_scale))
    tensors = {INPUT: (torch.from_numpy(image).permute(2, 0, 1).float() - mean) * scale}
    for op in graph.operators:
        tensors[op.name] = _apply(op, [tensors[name][None] for name in op.inputs])[0]
    return tensors


def _apply(op: Operator, inputs: list[Tensor]) -> Tensor:
    x = inputs[0]
    match op:
        case Conv():
            weight, bias = torch.from_numpy(op.weight).float(), torch.from_numpy(op.bias).float()
            y = F.conv2d(x, weight, bias, op.stride, op.padding, op.dilation, op.groups)
            return y if op.ceiling is None else y.clamp(0, op.ceiling)
        case Pool():
            return op.module(x)
        case Norm():
            norm = x.square().sum(1, keepdim=True).sqrt() + 1e-10
            return x / norm * torch.from_numpy(op.weight).float().view(1, -1, 1, 1)
        case Add():
            y = x + inputs[1]
            return y if op.ceiling is None else y.clamp(0, op.ceiling)
        case Mean():
            return x.mean((2, 3), keepdim=True)
        case Own():
            return op.apply(inputs)


class _Histogram:
    """Counts of |x| in BINS bins; the range doubles when a larger value comes."""

    def __init__(self) -> None:
        self.top = 2.0**-10
        self.counts = np.zeros(BINS)

    def add(self, values: np.ndarray) -> None:
        magnitudes = np.abs(values).ravel()
        while magnitudes.max(initial=0.0) > self.top:
            self.counts = np.concatenate([self.counts.reshape(-1, 2).sum(1), np.zeros(BINS // 2)])
            self.top *= 2
        self.counts += np.histogram(magnitudes, BINS, (0.0, self.top))[0]

    def clipping_point(self) -> float:
        """The bin edge that minimises rounding plus clipping error with 127 levels."""
        centres = (np.arange(BINS) + 0.5) * self.top / BINS
        used = int(np.flatnonzero(self.counts)[-1]) + 1 if self.counts.any() else 1
        edges = np.arange(max(1, used // 4), used + 1) * self.top / BINS
        excess = np.maximum(centres[None, :] - edges[:, None], 0.0)
        errors = (self.counts * excess**2).sum(1) + self.counts.sum() * (edges / 127) ** 2 / 12
        return float(edges[int(np.argmin(errors))])
