"""The offset that rounded weights cause in a convolution's mean output, which its bias then corrects.

Inputs behind a ReLU are positive, so that errors of weights add up to an offset of the sum, nearly the same wherever
one looks (Nagel et al., Data-Free Quantization, ICCV 2019, section 4.2). Its mean over sample images is subtracted
from the bias before that is rounded; nothing else changes, and on the device nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hil.compiler.families.operators import Conv
from hil.compiler.quantise import compile_network
from hil.compiler.quantised.graph import QConv
from hil.compiler.reading.calibrate import run_float
from hil.compiler.reading.trace import trace


def bias_shifts(
    network: nn.Module, ranges: Mapping[str, float], images: Iterable[np.ndarray]
) -> dict[str, list[float]]:
    """The mean error of each convolution's output, a value a channel, by the tensor's name.

    ranges: the calibrated ones; images: as for calibrate, and at least one.
    """
    graph = trace(network)
    layers = {layer.name: layer for layer in compile_network(network, dict(ranges)).layers}
    convolutions = [op for op in graph.operators if isinstance(op, Conv)]
    errors = {op.name: _weight_error(op, layers[op.name]) for op in convolutions}
    sums = {op.name: torch.zeros(len(op.weight)) for op in convolutions}
    count = 0
    for image in images:
        tensors = run_float(graph, image)
        for op in convolutions:
            sums[op.name] += _mean_output(op, errors[op.name], tensors[op.input])
        count += 1
    return {name: [float(f"{value:.6g}") for value in total / count] for name, total in sums.items()}


def _weight_error(op: Conv, layer: object) -> Tensor:
    """Rounded weights less real ones, in the real ones' units: (out, in / groups, k, k)."""
    assert isinstance(layer, QConv)
    weight = layer.weight[:, None] if layer.is_depthwise else layer.weight.transpose(0, 3, 1, 2)
    a_sum = layer.multiplier * 2.0 ** (layer.shift - 32) * np.broadcast_to(layer.output.scale, len(weight))
    inputs = np.broadcast_to(layer.input.scale, op.weight.shape[0] if layer.is_depthwise else op.weight.shape[1])
    an_input = inputs[:, None, None, None] if layer.is_depthwise else inputs[None, :, None, None]
    rounded = weight * a_sum[:, None, None, None] / an_input
    return torch.from_numpy(rounded - op.weight).float()


def _mean_output(op: Conv, weight: Tensor, source: Tensor) -> Tensor:
    made = F.conv2d(source[None], weight, None, op.stride, op.padding, op.dilation, op.groups)
    return made.mean((0, 2, 3))
