"""The schedule: in which order the firmware makes rows, replayed step by step for one image (kernels/schedule.c).

That tells for each row when it is made and when it is read last, hence how many rows a map's ring holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from hil.compiler.families.scaling import QScaling
from hil.compiler.planning.chains import Chain, Row, alone, shape
from hil.compiler.quantised import graph as q


@dataclass(frozen=True)
class Feed:
    """One input of a node: step s needs rows n * stride + oldest to n * stride + reach of the tensor.

    n = s >> halvings: 1 where two steps read one row, 0 otherwise.
    """

    tensor: q.Tensor
    stride: int
    reach: int
    oldest: int
    halvings: int = 0

    def needed(self, step: int) -> int:
        return min((step >> self.halvings) * self.stride + self.reach, self.tensor.height)

    def first(self, step: int) -> int:
        return max(0, (step >> self.halvings) * self.stride + self.oldest)


@dataclass(frozen=True)
class Node:
    """Something the scheduler runs: a chain of layers, one of another kind, or the collection of boxes from a source.

    emits: for each step whether it completes a row of `output`. copies_last: the last step repeats the row before it.
    """

    name: str
    layers: tuple[q.Layer, ...]
    feeds: tuple[Feed, ...]
    emits: tuple[bool, ...]
    chain: Chain | None = None
    source: q.Source | None = None
    copies_last: bool = False

    @property
    def output(self) -> q.Tensor | None:
        return self.layers[-1].output if self.layers else None

    @property
    def steps(self) -> int:
        return len(self.emits)


def nodes_of(
    graph: q.QuantisedGraph, chains: Iterable[Chain] = (), whole: frozenset[str] = frozenset()
) -> tuple[Node, ...]:
    """Chains, other layers and box collections as the scheduler runs them; maps of `whole` are made before."""
    chained = {layer.name: chain for chain in chains for layer in chain.layers}
    nodes = []
    for layer in graph.layers:
        if not isinstance(layer, Row):
            nodes.append(_node(layer))
        elif (chain := chained.get(layer.name) or alone(layer)).name == layer.name:
            nodes.append(Node(layer.name, chain.layers, _feeds(chain), tuple(chain.steps()), chain))
    for i, source in enumerate(graph.detector.sources if graph.detector else ()):
        tensors = [graph.layer(name).output for name in dict.fromkeys((source.loc, source.conf))]
        feeds = tuple(Feed(t, 1, 1, 0) for t in tensors)
        nodes.append(Node(f"boxes{i}", (), feeds, (False,) * tensors[0].height, source=source))
    return tuple(_waiting(node, whole) for node in nodes)


def _waiting(node: Node, whole: frozenset[str]) -> Node:
    """The node as it waits for all of a map that is to be whole: with rows up to the last one before its first step."""
    feeds = tuple(replace(f, reach=f.tensor.height) if f.tensor.name in whole else f for f in node.feeds)
    return replace(node, feeds=feeds)


def _feeds(chain: Chain) -> tuple[Feed, ...]:
    """What a chain's steps need: rows of its first layer's inputs, and of the other input of each sum behind."""
    layer = chain.layers[1] if chain.is_again else chain.layers[0]
    kernel, stride, padding = shape(layer)
    feeds = [Feed(chain.layers[0].input, stride, kernel - padding, -padding)]
    for index, layer in enumerate(chain.layers):
        before = chain.layers[index - 1].output if index else chain.layers[0].input
        lag = chain.lag(index)
        feeds += [Feed(t, 1, 1 - lag, -lag) for t in layer.inputs if t.name != before.name]
    return tuple(feeds)


def _node(layer: q.QPool | q.QMean | q.StepLayer) -> Node:
    height = layer.input.height
    if isinstance(layer, q.StepLayer):
        sources = {t.name: t for t in layer.inputs}  # one that is read twice is waited for once
        feeds = tuple(_feed(layer, t) for t in sources.values())
        return Node(layer.name, (layer,), feeds, layer.emits)
    if isinstance(layer, q.QMean):
        emits = [step == height - 1 for step in range(height)]
    else:
        ends = {j * layer.stride + layer.patch - 1 for j in range(layer.windows[0])} | {height}
        emits = [step in ends for step in range(height + layer.is_padded)]
    copies_last = isinstance(layer, q.QPool) and layer.is_padded
    return Node(layer.name, (layer,), (Feed(layer.input, 1, 1, 0),), tuple(emits), copies_last=copies_last)


def _feed(layer: q.StepLayer, tensor: q.Tensor) -> Feed:
    """A row a step, but of a vector of factors all there is, until the end."""
    stride = 0 if isinstance(layer, QScaling) and tensor.name == layer.factors.name else 1
    return Feed(tensor, stride, 1, 0, layer.halvings)


class Replay:
    """One image through the scheduler: when each row is made and last read.

    Time counts image rows, for each step its layers one after another, and at the end the decoding of the boxes.
    """

    def __init__(self, image: q.Tensor, nodes: tuple[Node, ...]) -> None:
        self.nodes = nodes
        self.tensors = [image] + [n.output for n in nodes if n.output is not None]
        self.made: dict[str, list[int]] = {t.name: [] for t in self.tensors}
        self.read: dict[str, list[int]] = {t.name: [] for t in self.tensors}
        self.times: list[list[int]] = [[] for _ in nodes]
        self._steps = [0] * len(nodes)
        self.copied: dict[str, int] = {}  # when a map's last row was made from the one before it
        self.length = 0
        self._last_reader = {f.tensor.name: i for i, node in enumerate(nodes) for f in node.feeds}
        for _ in range(image.height):
            self._make(image.name, self.length, self.length)
            self.length += 1
            self._run(self._last_reader.get(image.name, -1))
        self.length += 1

    def depth(self, tensor: str) -> int:
        """Rows a ring must hold: the widest span from a row being made to the oldest one still to be read."""
        made, read = self.made[tensor], self.read[tensor]
        spans = [1]
        for row, time in enumerate(made):
            oldest = next(r for r in range(row + 1) if read[r] >= time)
            spans.append(row - oldest + 1)
        return max(spans)

    def alive(self, tensor: str) -> np.ndarray:
        """bool (length,): when the ring holds a row that is still to be read, or is being made."""
        alive = np.zeros(self.length, bool)
        for first, last in zip(self.made[tensor], self.read[tensor], strict=True):
            alive[first : last + 1] = True
        if tensor in self.copied:
            alive[self.made[tensor][-2] : self.copied[tensor] + 1] = True
        return alive

    def moments(self, number: int, first: int = 0, last: int | None = None) -> np.ndarray:
        """bool (length,): when layers `first` to `last` of a node's steps run; all of them if they are not named."""
        moments = np.zeros(self.length, bool)
        for layer in range(first, (moments_of(self.nodes[number]) if last is None else last + 1)):
            moments[np.array(self.times[number]) + layer] = True
        return moments

    def span(self, number: int) -> np.ndarray:
        """bool (length,): from a node's first step to its last."""
        times = self.times[number]
        span = np.zeros(self.length, bool)
        span[times[0] : times[-1] + moments_of(self.nodes[number])] = True
        return span

    def running(self, moment: int) -> str:
        """The name of the layer that runs at a moment."""
        for node, times in zip(self.nodes, self.times, strict=True):
            for time in times:
                if time <= moment < time + moments_of(node):
                    return node.layers[min(moment - time, len(node.layers) - 1)].name if node.layers else node.name
        return "the image" if moment < self.length - 1 else "the decoding of the boxes"

    def _make(self, tensor: str, first: int, last: int) -> None:
        self.made[tensor].append(first)
        self.read[tensor].append(last)

    def _run(self, last_reader: int) -> None:
        """Every node as far as it goes after a new row of the image (schedule_run of kernels/schedule.c)."""
        i = last_reader
        while i >= 0:
            node, step = self.nodes[i], self._steps[i]
            if step < node.steps and all(len(self.made[f.tensor.name]) >= f.needed(step) for f in node.feeds):
                self._step(i)
                if node.output is not None and node.emits[step]:
                    i = max(i, self._last_reader.get(node.output.name, -1))
            else:
                i -= 1

    def _step(self, number: int) -> None:
        node, step = self.nodes[number], self._steps[number]
        end = self.length + moments_of(node) - 1
        for feed in node.feeds:
            for row in range(feed.first(step), feed.needed(step)):
                self.read[feed.tensor.name][row] = end if node.chain else self.length
        if node.output is not None and node.emits[step]:
            if node.copies_last and step == node.steps - 1:
                self.copied[node.output.name] = end
            self._make(node.output.name, self.length if node.chain else end, end)
        self.times[number].append(self.length)
        self._steps[number] += 1
        self.length = end + 1


def moments_of(node: Node) -> int:
    """Moments that a step of a node takes: one a layer, two of an RNNPool (hil.compiler.kernels.windows)."""
    if any(isinstance(layer, q.QPool) for layer in node.layers):
        return 2
    return max(1, len(node.layers))
