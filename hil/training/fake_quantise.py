"""Quantisation-aware training: a network that rounds as its firmware will, with gradients that pass the rounding.

Weights are rounded to 8 bits a channel and activations to the calibrated ranges, as hil.compiler.quantise does; a
gradient passes where a value is within its range (straight-through estimator: Bengio et al., 2013). Batch norms keep
the statistics they have, which is what folds into the firmware's weights.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from hil.errors import HilError
from hil.reference.backbones import ConvBn, PreActivated
from hil.reference.blocks import ConvBnRelu6, L2Norm, MbConv
from hil.reference.catalogue import Network
from hil.reference.rnnpool import RnnPool

UNSIGNED, SIGNED = (0, 255), (-128, 127)
STATE_RANGE = 127 / 128  # of RNNPool's output, whose scale is always 1/128


def quantise_aware(network: Network, ranges: Mapping[str, float]) -> None:
    """Make a network round from now on, in place; its parameters and their names stay.

    ranges: the calibrated ones of its checkpoint. Raises HilError where a tensor has none, and for the blocks of
    hil.reference.backbones, whose roundings are not known here.
    """
    if any(isinstance(module, ConvBn | PreActivated) for module in network.modules()):
        raise HilError(
            f"{network.spec.name} cannot learn the firmware's rounding: only networks of MobileNet's blocks can"
        )
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.forward = partial(_rounded_convolution, module)  # type: ignore[method-assign]
    for name, module, limits in rounded_outputs(network):
        if isinstance(module, RnnPool):
            magnitude = STATE_RANGE
        elif name in ranges:
            magnitude = min(ranges[name], 6.0) if limits == UNSIGNED else ranges[name]
        else:
            raise HilError(f"no activation range for tensor {name!r}: hil quantise makes a checkpoint with all of them")
        module.register_forward_hook(_rounding(magnitude / limits[1], limits))


def keep_statistics(network: nn.Module) -> None:
    """Batch norms use and keep the statistics they have, also while the rest is being trained."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def rounded_outputs(network: Network) -> Iterator[tuple[str, nn.Module, tuple[int, int]]]:
    """The modules whose outputs the firmware holds in 8 bits: its tensor's name, the module, the integers' limits."""
    for path, module in network.named_modules():
        name = _tensor(path)
        match module:
            case ConvBnRelu6():
                yield name, module, UNSIGNED
            case RnnPool() | L2Norm():
                yield name, module, SIGNED
            case MbConv():
                yield f"{name}_project", module.bn, SIGNED
                if module.is_residual:
                    yield f"{name}_add", module, SIGNED


def _tensor(path: str) -> str:
    """The compiler's name for a module's output: layers.mob0.expand is mob0_expand, norms.0 is norm0."""
    return re.sub(r"\W", "_", re.sub(r"^(norm|loc|conf)s?\.", r"\1", path.removeprefix("layers.")))


def _rounded_convolution(conv: nn.Conv2d, x: Tensor) -> Tensor:
    scale = (conv.weight.detach().flatten(1).abs().amax(1) / 127).clamp(min=1e-12)
    zero = torch.zeros_like(scale, dtype=torch.int32)
    weight = torch.fake_quantize_per_channel_affine(conv.weight, scale, zero, 0, -127, 127)
    return conv._conv_forward(x, weight, conv.bias)  # what Conv2d.forward calls, with its own weight


def _rounding(scale: float, limits: tuple[int, int]) -> Callable[[nn.Module, object, Tensor], Tensor]:
    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        return torch.fake_quantize_per_tensor_affine(output.float(), max(scale, 1e-9), 0, *limits)

    return hook
