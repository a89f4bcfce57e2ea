"""Each layer by itself in floating point: the float network is run node by node, and each gets what the device's got.

What rounding does to one layer is small and much the same in every network, trained or not, while behind a few dozen of
them it may have grown to be all there is: an error that the network's outputs hide shows here, and has a name. The
nodes are the network's own, its batch norms not folded; of the compiler comes only which of them bears which name.

A layer that adds up large numbers to a small one is far off for 8-bit weights alone, as random ones make it. Where one
is, all are held against weights rounded here as well, and the nearer of the two counts.
"""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn

from hil.compiler.graph import LIMITS, QuantisedGraph, Source
from hil.compiler.graph import Tensor as Quantised
from hil.compiler.integer import Trace
from hil.compiler.operators import Head
from hil.compiler.trace import makers
from hil.errors import HilError

CLOSE = 1.0  # steps: what rounding does to a layer whose sums do not cancel
LEVELS = 127  # of a weight, and of its sign
STEP_OF_16, SIZE_OF_16 = 16.0, 32.0  # a step of 8 bits in those of 16, at least; that part of what there is, where more


def layer_distances(
    network: nn.Module, graph: QuantisedGraph, trace: Trace, pixels: NDArray[np.uint8]
) -> dict[str, float]:
    """How far what each layer made of its inputs is from what floating point makes of the same, by its name.

    trace: the integer reference's, (H, W, C); pixels: (H, W, C) of the image. Of the channel that is furthest off, in
    steps of its 8 bits. Heads are two layers. Raises HilError where device and network differ in shape.
    """
    traced, names, heads = _makers(network)
    views = _views(graph, heads, trace)
    spec: Any = network.spec
    normal = (pixels - np.asarray(spec.input_mean, np.float32)) * np.asarray(spec.input_scale, np.float32)
    image = torch.from_numpy(np.ascontiguousarray(normal.transpose(2, 0, 1), np.float32))[None]
    found = _Layers(network, traced, names, views).distances(image)
    if any(channels.max() > CLOSE for channels in found.values()):
        again = _Layers(_rounded(network), traced, names, views).distances(image)
        found = {name: np.minimum(channels, again[name]) for name, channels in found.items()}
    return {name: float(channels.max()) for name, channels in found.items()}


@lru_cache(maxsize=1)
def _makers(network: nn.Module) -> tuple[fx.Graph, dict[fx.Node, str], list[Head]]:
    return makers(network)


@lru_cache(maxsize=1)
def _rounded(network: nn.Module) -> nn.Module:
    """The network with the weights of its convolutions as multiples of a 127th of a channel's largest.

    Of those that read the image once its channels' scales are in them: they can differ.
    """
    rounded = copy.deepcopy(network)
    nodes, spec = _makers(network)[0].nodes, cast(Any, network.spec)
    of_image = {n.target for n in nodes if n.op == "call_module" and n.all_input_nodes[0].op == "placeholder"}
    scale = torch.tensor(spec.input_scale).view(1, -1, 1, 1)
    for name, module in rounded.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            weight = module.weight.data
            unit = scale if name in of_image and weight.shape[1] == scale.shape[1] else torch.ones(1)
            module.weight.data = _to_levels(weight * unit, tuple(range(1, weight.dim()))) / unit
        elif isinstance(module, nn.ConvTranspose2d):  # of stride 2: a plain one for each corner of 2x2 pixels
            for corner in ((slice(i, None, 2), slice(j, None, 2)) for i in (0, 1) for j in (0, 1)):
                weight = module.weight.data[:, :, corner[0], corner[1]]
                weight.copy_(_to_levels(weight, (0, 2, 3)))
    return rounded


def _to_levels(weight: torch.Tensor, others: tuple[int, ...]) -> torch.Tensor:
    """Weights in LEVELS levels of the largest; others: every dimension but that of the output's channels."""
    unit = weight.abs().amax(others, keepdim=True).clamp(min=1e-30) / LEVELS
    return (weight / unit).round() * unit


class _Layers(fx.Interpreter):
    """Runs a network's nodes; what a layer makes is measured, and the device's is handed on in its place."""

    def __init__(self, network: nn.Module, graph: fx.Graph, names: dict[fx.Node, str], views: dict[str, View]) -> None:
        super().__init__(network, graph=graph)
        self._names, self._views = names, views
        self._found: dict[str, NDArray[np.floating]] = {}

    def distances(self, image: torch.Tensor) -> dict[str, NDArray[np.floating]]:
        """By layer, a channel each, of one image (1, C, H, W), normalised."""
        with torch.no_grad():
            self.run(image)
        return self._found

    def run_node(self, n: fx.Node) -> Any:
        value, name = super().run_node(n), self._names.get(n)
        if name not in self._views:
            return value
        view = self._views[name]
        device = torch.from_numpy(view.real())
        if device.numel() != value.numel():
            shapes = f"{tuple(device.shape)} on the device, {tuple(value.shape)} in the float model"
            raise HilError(f"{name} is {shapes}: the compiled network is not the one that it was made of")
        self._found[name] = view.distances(value)
        return device.reshape(value.shape)


class View:
    """A tensor of the device, or some channels of it. is_made: (H, W), where it is made at all; everywhere without."""

    def __init__(
        self,
        tensor: Quantised,
        values: NDArray[np.integer],
        channels: slice = slice(None),
        is_made: NDArray[np.bool_] | None = None,
    ) -> None:
        scale = np.broadcast_to(np.asarray(tensor.scale, np.float32), (tensor.channels,))[channels]
        self._scale, self._values = scale[:, None], values[..., channels]
        self._dtype, self._is_made = tensor.dtype, is_made

    def real(self) -> NDArray[np.float32]:
        """(C, H, W)."""
        real: NDArray[np.float32] = np.ascontiguousarray(
            (self._values * self._scale[:, 0]).transpose(2, 0, 1), np.float32
        )
        return real

    def distances(self, floating: torch.Tensor) -> NDArray[np.floating]:
        """(C,): root mean squares, in steps, of what floating point makes less what the device has, clipped alike."""
        height, width, channels = self._values.shape
        own = np.clip(floating.reshape(channels, -1).numpy() / self._scale, *LIMITS[self._dtype])
        device = self._values.reshape(-1, channels).T.astype(np.float32)
        if self._is_made is not None:
            own, device = own[:, self._is_made.ravel()], device[:, self._is_made.ravel()]
        if not own.size:
            return np.zeros(channels)
        noise, size = (np.sqrt(np.square(x).mean(1)) for x in (own - device, device))
        return noise / np.maximum(STEP_OF_16, size / SIZE_OF_16) if self._dtype == "int16" else noise


def _views(graph: QuantisedGraph, heads: list[Head], trace: Trace) -> dict[str, View]:
    """By the names that the network's nodes go by, of merged heads as well."""
    found = {layer.name: View(layer.output, trace[layer.name]) for layer in graph.layers}
    for head, source in zip(heads, graph.detector.sources if graph.detector else (), strict=True):
        found |= _of_head(graph, head, source, trace)
    return found


def _of_head(graph: QuantisedGraph, head: Head, source: Source, trace: Trace) -> dict[str, View]:
    """Offsets count where a device makes them."""
    locs, confs = (graph.layer(name).output for name in (source.loc, source.conf))
    offsets, scores = slice(source.loc_channel, source.loc_channel + 4), slice(source.conf_channel, None)
    is_made: NDArray[np.bool_] = np.asarray(trace[source.loc][..., offsets].any(-1))
    return {
        head.loc: View(locs, trace[source.loc], offsets, is_made),
        head.conf: View(confs, trace[source.conf], scores),
    }
