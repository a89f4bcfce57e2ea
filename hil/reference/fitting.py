"""What keeps the tensors of a file from being a network's: all of it, at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

COUNTER, VARIANCE = "num_batches_tracked", "running_var"  # of batch norms; nothing here uses the counter
Fits = Callable[[torch.Size, torch.Size], bool]


def problems(
    wanted: Mapping[str, torch.Size],
    found: Mapping[str, Tensor],
    fits: Fits = lambda shape, wanted: shape == wanted,
) -> list[str]:
    """A text for each kind of fault, which names every tensor that has it; none where the tensors fit.

    fits: whether a tensor's shape (first) will do for a wanted one. Batch norms' counters may be missing. Values are
    looked at where the shape is right: a file of a few bytes can hold a tensor of any size, as one value repeated.
    """
    both = {name: found[name] for name in wanted if name in found}
    weights = {name: tensor for name, tensor in both.items() if not name.endswith(COUNTER)}
    numbers = {name: tensor for name, tensor in weights.items() if _has_numbers(tensor)}
    sound = {name: tensor for name, tensor in numbers.items() if fits(tensor.shape, wanted[name])}
    faults = {
        "missing": [name for name in wanted if name not in found and not name.endswith(COUNTER)],
        "not known": [name for name in found if name not in wanted],
        "of another shape": [
            f"{name} is {list(tensor.shape)}, expected {list(wanted[name])}"
            for name, tensor in both.items()
            if not fits(tensor.shape, wanted[name])
        ],
        "not of floats": [name for name in weights if name not in numbers],
        "with NaN or infinity": [name for name, tensor in sound.items() if not tensor.float().isfinite().all()],
        "with a negative variance": [
            name for name, tensor in sound.items() if name.endswith(VARIANCE) and (tensor.float() < 0).any()
        ],
    }
    return [
        f"{len(names)} tensor{'s' * (len(names) > 1)} {kind}: {', '.join(map(_in_a_line, names))}"
        for kind, names in faults.items()
        if names
    ]


def _has_numbers(tensor: Tensor) -> bool:
    """Whether a tensor holds real numbers, one after another: no integers, nothing sparse, nothing without storage."""
    return tensor.is_floating_point() and tensor.layout == torch.strided and not tensor.is_meta


def _in_a_line(name: str) -> str:
    """A name as it is, or quoted where it would break the line that names it."""
    return name if name.isprintable() else ascii(name)
