"""How weights lie in a checkpoint: whole, in half precision, or a convolution's in 8 bits a channel, as a device's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from hil.errors import HilError

Precision = Literal["float16", "int8"]
KEY = "weights"  # of the metadata: a Precision, absent for float32
SCALE = ".scale"  # behind the name of a tensor in 8 bits: that of its scales, (channels,) float32
_LEVELS = 127
_SCALE_BITS = 16  # of a scale: with a weight's seven they fit float32, so a file that is read is written the same


def precision_of(metadata: Mapping[str, str]) -> Precision | None:
    """How a checkpoint with this metadata keeps its weights; None: whole."""
    return next((known for known in get_args(Precision) if known == metadata.get(KEY)), None)


@torch.no_grad()
def round_weights(network: nn.Module, precision: Precision) -> None:
    """Round a network's weights to what a checkpoint would keep. Raises HilError for a value that it cannot hold."""
    for name, tensor in network.state_dict().items():
        if not _is_weight(tensor):
            continue
        tensor.copy_(_whole(*_packed(tensor, precision)))
        if not tensor.isfinite().all():
            raise HilError(f"{name} has values beyond 65504, the largest of half precision: keep the weights whole")


def packed(tensors: Mapping[str, Tensor], precision: Precision | None) -> dict[str, Tensor]:
    """The tensors of a network as a checkpoint keeps them."""
    kept = {}
    for name, tensor in tensors.items():
        kept[name], scale = _packed(tensor, precision) if precision and _is_weight(tensor) else (tensor, None)
        if scale is not None:
            kept[name + SCALE] = scale
    return kept


def unpacked(tensors: Mapping[str, Tensor], precision: Precision | None) -> dict[str, Tensor]:
    """The tensors of a checkpoint as a network has them. What does not go together is left as it is."""
    if precision != "int8":
        return dict(tensors)
    found = dict(tensors)
    for name, tensor in tensors.items():
        scale = tensors.get(name + SCALE)
        is_narrow = tensor.dtype == torch.int8 and tensor.dim() == 4
        if scale is not None and is_narrow and scale.shape == tensor.shape[:1]:
            found[name] = _whole(tensor, found.pop(name + SCALE))
    return found


def _is_weight(tensor: Tensor) -> bool:
    return tensor.dim() > 1 and tensor.is_floating_point()


def _packed(tensor: Tensor, precision: Precision) -> tuple[Tensor, Tensor | None]:
    """A weight, and its scales if it is a convolution's (out, in, k, k) in 8 bits."""
    if precision == "float16" or tensor.dim() != 4:
        return tensor.half(), None
    largest = tensor.detach().float().abs().amax((1, 2, 3)).clamp(min=1e-30) / _LEVELS
    fraction, exponent = torch.frexp(largest)
    scale = torch.ldexp(torch.ceil(fraction * 2**_SCALE_BITS), exponent - _SCALE_BITS)
    return torch.round(tensor / _along(scale)).to(torch.int8), scale


def _whole(tensor: Tensor, scale: Tensor | None) -> Tensor:
    return tensor.float() if scale is None else tensor.float() * _along(scale.float())


def _along(scale: Tensor) -> Tensor:
    return scale.view(-1, 1, 1, 1)
