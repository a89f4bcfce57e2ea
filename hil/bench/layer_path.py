"""Each layer by itself in floating point: the float network is run node by node, and each gets what the device's got.

What rounding does to one layer is small and much the same in every network, trained or not, while behind a few dozen of
them it may have grown to be all there is: an error that the network's outputs hide shows here, and has a name. The
nodes are the network's own, its batch norms not folded; of the compiler comes only which of them bears which name.

A layer that adds up large numbers to a small one is far off for 8-bit weights alone, as random ones make it. Where one
is, all are held against weights rounded here as well, and the nearer of the two counts.

What lies beyond a layer's range is no error of the layer: it is cut off on both sides. How much that is counts apart.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn

from hil.bench.float_path import SCORE
from hil.compiler.families.operators import Head
from hil.compiler.integer import Trace
from hil.compiler.quantised.graph import LIMITS, QuantisedGraph, Source
from hil.compiler.quantised.graph import Tensor as Quantised
from hil.compiler.reading.trace import makers
from hil.errors import HilError

CLOSE = 1.0  # steps: what rounding does to a layer whose sums do not cancel
LEVELS = 127  # of a weight, and of its sign
LEAST_PIXELS = 64  # of a map whose range is looked at
LOWEST = -(1 << 15)  # of an int16
TURNS = 4  # photos in which every layer's turn has come
STEP_OF_16, SIZE_OF_16 = 16.0, 32.0  # a step of 8 bits in those of 16, at least; that part of what there is, where more


@dataclass(frozen=True)
class Apart:
    """How far a layer's outputs are from floating point's for the same inputs.

    distance: of the channel that is furthest off, the root mean square in steps of its 8 bits; cut: the share of
    floating point's energy, from 0 to 1, that lies beyond the layer's range.
    """

    distance: float
    cut: float


def layers_apart(
    network: nn.Module,
    graph: QuantisedGraph,
    trace: Trace,
    pixels: NDArray[np.uint8],
    turn: int | None = None,
) -> dict[str, Apart]:
    """How far what each layer made of its inputs is from what floating point makes of the same, by its name.

    trace: the integer reference's, (H, W, C); pixels: (H, W, C) of the image. Heads are two layers. turn: only every
    TURNSth layer, the next ones with the next number; all without. Raises HilError where device and network differ in
    shape.
    """
    traced, names, heads = _makers(network)
    views = _views(graph, heads, trace, network.spec)
    makers = {name: node for node, name in names.items() if name in views}
    turns = min(TURNS, len(makers))
    asked = list(makers) if turn is None else list(makers)[turn % turns :: turns]
    spec: Any = network.spec
    normal = (pixels - np.asarray(spec.input_mean, np.float32)) * np.asarray(spec.input_scale, np.float32)
    image = torch.from_numpy(np.asarray(normal, np.float32)).permute(2, 0, 1)[None]
    layers = _Layers(network, traced, makers, views)
    found = layers.distances(image, asked)
    doubtful = [name for name, channels in found.items() if channels.max() > CLOSE]
    if doubtful:
        again = _Layers(_rounded(network), traced, makers, views).distances(image, doubtful)
        found |= {name: torch.minimum(found[name], channels) for name, channels in again.items()}
    return {name: Apart(float(channels.max()), layers.cut[name]) for name, channels in found.items()}


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
    """Runs the nodes that some layers are, each on what the device's layers before it made."""

    def __init__(self, network: nn.Module, graph: fx.Graph, makers: dict[str, fx.Node], views: dict[str, View]) -> None:
        super().__init__(network, graph=graph)
        self._makers, self._views = makers, {makers[name]: views[name] for name in makers}
        self._names = {node: name for name, node in makers.items()}
        self.cut: dict[str, float] = {}  # by layer

    def distances(self, image: torch.Tensor, asked: Collection[str]) -> dict[str, torch.Tensor]:
        """By layer, a channel each, of one image (1, C, H, W), normalised."""
        self._asked, self._found = {self._makers[name] for name in asked}, dict[str, torch.Tensor]()
        self._needed, self._read = set(self._asked), set[fx.Node]()
        waiting = list(self._asked)
        while waiting:
            for node in waiting.pop().all_input_nodes:
                if node in self._views:
                    self._read.add(node)
                elif node not in self._needed:
                    self._needed.add(node)
                    waiting.append(node)
        with torch.no_grad():
            self.run(image)
        return self._found

    def run_node(self, n: fx.Node) -> Any:
        view = self._views.get(n)
        if n.op == "output":
            return None
        if n not in self._needed:  # placeholders are, where they are read
            return view.real.reshape(n.meta["shape"]) if view and n in self._read else None
        value = super().run_node(n)
        if view is None:
            return value
        name = self._names[n]
        if view.real.numel() != value.numel():
            shapes = f"{tuple(view.real.shape)} on the device, {tuple(value.shape)} in the float model"
            raise HilError(f"{name} is {shapes}: the compiled network is not the one that it was made of")
        self._found[name], self.cut[name] = view.distances(value), view.cut(value)
        return view.real.reshape(value.shape)


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
        self._scale, self._values = torch.from_numpy(scale.copy()), values[..., channels]
        self._dtype, self._is_made = tensor.dtype, is_made

    @cached_property
    def real(self) -> torch.Tensor:
        """(1, C, H, W), channels last in memory."""
        return (torch.from_numpy(self._values).to(torch.float32) * self._scale).permute(2, 0, 1)[None]

    def distances(self, floating: torch.Tensor) -> torch.Tensor:
        """(C,): root mean squares, in steps, of what floating point makes less what the device has, clipped alike."""
        device, (low, high) = self.real, LIMITS[self._dtype]
        scale = self._scale[:, None, None]
        differences = torch.clamp(floating.reshape(device.shape), low * scale, high * scale) - device
        if self._is_made is not None:
            is_made = torch.from_numpy(self._is_made)
            differences, device = differences[..., is_made], device[..., is_made]
        if not differences.numel():
            return torch.zeros(len(self._scale))
        noise = _root_mean_square(differences) / self._scale
        if self._dtype != "int16":
            return noise
        size = _root_mean_square(device) / self._scale
        return noise / torch.clamp(size / SIZE_OF_16, min=STEP_OF_16)

    def cut(self, floating: torch.Tensor) -> float:
        """The share of floating point's energy that lies beyond the range.

        0 for outputs of 16 bits, which have room, and for maps of few pixels, of whose energy one may be a large share.
        """
        height, width, _ = self._values.shape
        if self._dtype == "int16" or height * width < LEAST_PIXELS:
            return 0.0
        made, (low, high) = floating.reshape(self.real.shape), LIMITS[self._dtype]
        scale = self._scale[:, None, None]
        beyond = made - torch.clamp(made, low * scale, high * scale)
        return float(beyond.square().sum() / made.square().sum().clamp(min=1e-30))


def _root_mean_square(values: torch.Tensor) -> torch.Tensor:
    """(C,) of (1, C, ...)."""
    per_channel = values.numel() // values.shape[1]
    return cast(torch.Tensor, torch.linalg.vector_norm(values, dim=(0, *range(2, values.dim())))) / per_channel**0.5


def _views(graph: QuantisedGraph, heads: list[Head], trace: Trace, spec: Any) -> dict[str, View]:
    """By the names that the network's nodes go by, of merged heads as well."""
    found = {layer.name: View(layer.output, trace[layer.name]) for layer in graph.layers}
    for head, source in zip(heads, graph.detector.sources if graph.detector else (), strict=True):
        found |= _of_head(graph, head, source, trace, spec)
    return found


def _of_head(graph: QuantisedGraph, head: Head, source: Source, trace: Trace, spec: Any) -> dict[str, View]:
    """Offsets count where a device has to make them, as the score passes, and where it does."""
    locs, confs = (graph.layer(name).output for name in (source.loc, source.conf))
    offsets, scores = slice(source.loc_channel, source.loc_channel + 4), slice(source.conf_channel, None)
    said = trace[source.conf][..., scores].astype(np.int32)
    of_classes, of_background = said[..., source.background :], said[..., : source.background]
    margins = of_classes.max(-1, initial=LOWEST) - of_background.max(-1, initial=LOWEST)
    passes = margins * SCORE > np.log(spec.score_threshold / (1 - spec.score_threshold))
    is_made: NDArray[np.bool_] = np.asarray(passes | trace[source.loc][..., offsets].any(-1))
    return {
        head.loc: View(locs, trace[source.loc], offsets, is_made),
        head.conf: View(confs, trace[source.conf], scores),
    }
