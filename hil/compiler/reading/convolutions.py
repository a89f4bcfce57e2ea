"""Torch's convolutions as the operator graph's: what they must be like, batch norms folded, transposed ones turned."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from hil.compiler.families.dense import Dense
from hil.compiler.families.operators import Conv
from hil.compiler.planning.chains import MAX_KERNEL
from hil.errors import HilError

Weighted = TypeVar("Weighted", Conv, Dense)


def array(tensor: torch.Tensor) -> np.ndarray:
    """A tensor's values in double precision."""
    return tensor.detach().cpu().double().numpy().copy()


def bias(module: nn.Conv2d | nn.Linear | nn.ConvTranspose2d) -> np.ndarray:
    """A layer's bias, zeros where it has none."""
    count = module.out_features if isinstance(module, nn.Linear) else module.out_channels
    return np.zeros(count) if module.bias is None else array(module.bias)


def convolution(module: nn.Conv2d, name: str, source: str, place: str) -> Conv:
    """A dense or depthwise convolution; of a depth multiplier the channels of `source` are repeated already.

    Raises HilError for one that the firmware has no loop for. place: where the module stands.
    """
    kernel, stride, dilation = (
        value[0] if value[0] == value[1] else None for value in (module.kernel_size, module.stride, module.dilation)
    )
    is_depthwise = module.groups > 1 and module.groups == module.in_channels
    if kernel is None or stride is None or dilation is None or not (module.groups == 1 or is_depthwise):
        raise _refused(module, place, "square, dense or depthwise convolutions only")
    extent = (kernel - 1) * dilation + 1
    if extent > MAX_KERNEL:
        raise _refused(module, place, f"kernels of at most {MAX_KERNEL}x{MAX_KERNEL}, gaps included")
    padding = _padding(module, extent)
    if padding is None or module.padding_mode != "zeros":
        raise _refused(module, place, "padded with zeros, the same number on all sides")
    groups = module.out_channels if is_depthwise else 1
    return Conv(name, source, array(module.weight), bias(module), stride, padding, groups, dilation=dilation)


def _padding(module: nn.Conv2d, extent: int) -> int | None:
    if module.padding == "valid":
        return 0
    if module.padding == "same":
        return (extent - 1) // 2 if extent % 2 else None
    first, second = module.padding[0], module.padding[-1]
    return int(first) if first == second else None


def transposed(module: nn.ConvTranspose2d, name: str, source: str, place: str) -> Conv:
    """A transposed convolution of stride 2 as a plain one to 2 x 2 groups of channels, to be laid out as pixels.

    Output pixel 2 m + i gets input pixel m + d through tap i - 2 d + padding, for each d for which there is one.
    """
    kernel, padding, more = module.kernel_size[0], int(module.padding[0]), module.output_padding[0]
    is_square = all(value[0] == value[1] for value in (module.kernel_size, module.padding, module.output_padding))
    is_plain = module.groups == 1 and module.dilation == (1, 1) and module.stride == (2, 2)
    if not is_square or not is_plain or kernel + more - 2 * padding != 2:
        raise _refused(module, place, "square, of stride 2, to exactly twice the size")
    distances = range(-((kernel - 1) // 2 + 1), kernel // 2 + 2)
    taps = {(i, d): i - 2 * d + padding for i in (0, 1) for d in distances if 0 <= i - 2 * d + padding < kernel}
    reach = max(abs(d) for _, d in taps)
    weight = array(module.weight)  # (in, out, k, k)
    made = np.zeros((2, 2, weight.shape[1], weight.shape[0], 2 * reach + 1, 2 * reach + 1))
    for (i, down), row in taps.items():
        for (j, right), column in taps.items():
            made[i, j, :, :, down + reach, right + reach] = weight[:, :, row, column].T
    return Conv(name, source, made.reshape(-1, *made.shape[3:]), np.tile(bias(module), 4), 1, reach)


def identity(channels: int, name: str, source: str) -> Conv:
    """A depthwise 1x1 convolution that changes nothing, for a batch norm with no convolution to fold into."""
    return Conv(name, source, np.ones((channels, 1, 1, 1)), np.zeros(channels), groups=channels)


def fold(op: Weighted, norm: nn.BatchNorm2d | nn.BatchNorm1d) -> Weighted:
    """The operator that does the batch norm's work too."""
    if norm.running_mean is None or norm.running_var is None:
        raise HilError(f"{op.name} is followed by a batch norm without statistics of its own: the firmware needs them")
    mean, variance = array(norm.running_mean), array(norm.running_var)
    gain = (1.0 if norm.weight is None else array(norm.weight)) / np.sqrt(variance + norm.eps)
    shift = 0.0 if norm.bias is None else array(norm.bias)
    return replace(op, weight=op.weight * gain[:, None, None, None], bias=(op.bias - mean) * gain + shift)


def _refused(module: nn.Module, place: str, only: str) -> HilError:
    return HilError(f"the compiler does not know {module} at {place}: {only}")
