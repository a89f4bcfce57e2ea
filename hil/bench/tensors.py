"""Plain tensors that leave a network: the device's against the float model's, as a ratio of signal to noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hil.compiler.quantised.graph import QuantisedGraph

if TYPE_CHECKING:
    from hil.reference.own import Tensors

NO_NOISE_DB = 200.0  # more than float32 can show
Tap = Callable[[str], NDArray[np.integer]]  # a layer's output on the device, (H, W, C)


@dataclass(frozen=True)
class TensorFound:
    """One output. layer: that makes it; shape: (H, W, C); signal_to_noise_db: infinite (None) where nothing differs."""

    name: str
    layer: str
    shape: tuple[int, int, int]
    signal_to_noise_db: float | None

    @property
    def decibels(self) -> float:
        """The same as a number that a limit can be set for: NO_NOISE_DB where nothing differs."""
        return NO_NOISE_DB if self.signal_to_noise_db is None else self.signal_to_noise_db

    def to_json(self) -> dict[str, Any]:
        """The object that run.json holds."""
        return asdict(self)


def tensors_found(
    network: Tensors, graph: QuantisedGraph, tap: Tap, pixels: NDArray[np.uint8]
) -> tuple[TensorFound, ...]:
    """Every output, read from the device: an inference each. pixels: (H, W, C) of the image."""
    expected = float_tensors(network, pixels)
    found = []
    for name, layer, real in zip(network.spec.outputs, graph.outputs, expected, strict=True):
        device = tap(layer) * np.asarray(graph.layer(layer).output.scale)
        shape = (device.shape[0], device.shape[1], device.shape[2])
        found.append(TensorFound(name, layer, shape, signal_to_noise_db(real.reshape(shape), device)))
    return tuple(found)


def float_tensors(network: Tensors, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """The float model's outputs for an image, each (H, W, C)."""
    import torch

    with torch.no_grad():
        made = network(network.normalise(torch.from_numpy(pixels).permute(2, 0, 1)[None]))
    parts = made if isinstance(made, list | tuple) else [made]
    return [(part[0] if part.dim() == 4 else part[0, :, None, None]).permute(1, 2, 0).numpy() for part in parts]


def signal_to_noise_db(real: NDArray[np.float32], device: NDArray[np.float64]) -> float | None:
    """10 log10 of the mean square of what should be there over that of what is too much; None where nothing is.

    What is no number is as bad as can be: -NO_NOISE_DB.
    """
    noise = float(np.square(device - real).mean())
    signal = float(np.square(real.astype(np.float64)).mean())
    if not math.isfinite(noise):
        return -NO_NOISE_DB
    return 10 * math.log10(max(signal, 1e-30) / noise) if noise > 0 else None
