"""The schedule: in which order the firmware makes rows, replayed step by step for one image (kernels/schedule.c).

That tells for each row when it is made and when it is read last, hence how many rows a map's ring holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from hil.compiler import graph as q


@dataclass(frozen=True)
class Feed:
    """One input of a node: step s needs rows s * stride + oldest to s * stride + reach of the tensor."""

    tensor: q.Tensor
    stride: int
    reach: int
    oldest: int

    def needed(self, step: int) -> int:
        return min(step * self.stride + self.reach, self.tensor.height)


@dataclass(frozen=True)
class Node:
    """Something the scheduler runs: a layer, or the collection of boxes from a detection source.

    emits(step): whether the step completes a row of `output`. copies_last: the last step repeats the row before it.
    """

    name: str
    layer: q.Layer | None
    source: q.Source | None
    output: q.Tensor | None
    feeds: tuple[Feed, ...]
    steps: int
    emits: Callable[[int], bool] = field(compare=False)
    copies_last: bool = False


def nodes_of(graph: q.QuantisedGraph, whole: frozenset[str] = frozenset()) -> tuple[Node, ...]:
    """Layers and box collections as the scheduler runs them; the maps of `whole` are made before they are read."""
    nodes = [_node(layer) for layer in graph.layers]
    for i, source in enumerate(graph.detector.sources if graph.detector else ()):
        tensors = [graph.layer(name).output for name in dict.fromkeys((source.loc, source.conf))]
        feeds = tuple(Feed(t, 1, 1, 0) for t in tensors)
        nodes.append(Node(f"boxes{i}", None, source, None, feeds, tensors[0].height, lambda step: False))
    return tuple(_waiting(node, whole) for node in nodes)


def _waiting(node: Node, whole: frozenset[str]) -> Node:
    """The node as it waits for all of a map that is to be whole: with rows up to the last one before its first step."""
    feeds = tuple(replace(f, reach=f.tensor.height) if f.tensor.name in whole else f for f in node.feeds)
    return replace(node, feeds=feeds)


def _node(layer: q.Layer) -> Node:
    output, steps, copies_last = layer.output, layer.output.height, False
    feeds = tuple(Feed(t, 1, 1, 0) for t in layer.inputs)
    emits: Callable[[int], bool] = lambda step: True  # noqa: E731
    match layer:
        case q.QConv():
            feeds = (Feed(layer.input, layer.stride, layer.kernel - layer.padding, -layer.padding),)
        case q.QPool():
            patch, stride, down, height = layer.patch, layer.stride, layer.windows[0], layer.input.height
            ends = {j * stride + patch - 1 for j in range(down)} | ({height} if layer.is_padded else set())
            steps, copies_last, emits = height + layer.is_padded, layer.is_padded, lambda step: step in ends
        case q.QMean():
            steps, emits = layer.input.height, lambda step: step == layer.input.height - 1
    return Node(layer.name, layer, None, output, feeds, steps, emits, copies_last)


class Replay:
    """One image through the scheduler: when each row is made and last read.

    Time counts image rows, steps, and at the end the decoding of the boxes.
    """

    def __init__(self, image: q.Tensor, nodes: tuple[Node, ...]) -> None:
        self.nodes = nodes
        self.tensors = [image] + [n.output for n in nodes if n.output is not None]
        self.made: dict[str, list[int]] = {t.name: [] for t in self.tensors}
        self.read: dict[str, list[int]] = {t.name: [] for t in self.tensors}
        self.times: list[list[int]] = [[] for _ in range(len(nodes) + 1)]
        self._steps = [0] * len(nodes)
        self.copied: dict[str, int] = {}  # when a map's last row was made from the one before it
        self.length = 0
        for _ in range(image.height):
            self._make(image.name)
            self.length += 1
            while (ready := self._ready()) is not None:
                self._step(ready)
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

    def working(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """bool (length,) twice: the moments of node `index`'s steps, and all from its first step to its last."""
        steps = np.zeros(self.length, bool)
        steps[self.times[index]] = True
        span = np.zeros(self.length, bool)
        span[self.times[index][0] : self.times[index][-1] + 1] = True
        return steps, span

    def _make(self, tensor: str) -> None:
        self.made[tensor].append(self.length)
        self.read[tensor].append(self.length)

    def _ready(self) -> int | None:
        for i in reversed(range(len(self.nodes))):
            node, step = self.nodes[i], self._steps[i]
            if step < node.steps and all(len(self.made[f.tensor.name]) >= f.needed(step) for f in node.feeds):
                return i
        return None

    def _step(self, index: int) -> None:
        node, step = self.nodes[index], self._steps[index]
        for feed in node.feeds:
            first = max(0, step * feed.stride + feed.oldest)
            for row in range(first, feed.needed(step)):
                self.read[feed.tensor.name][row] = self.length
        if node.output is not None and node.emits(step):
            if node.copies_last and step == node.steps - 1:
                self.copied[node.output.name] = self.length
            self._make(node.output.name)
        self.times[index + 1].append(self.length)
        self._steps[index] += 1
        self.length += 1
