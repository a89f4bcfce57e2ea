"""RNNPool in an ONNX graph: its cells are found, read, and tried out.

A pool's cells use the same matrices step after step; nothing else in such networks does. Around the nodes that read
them, the last map that all of them come from is the pool's input, and a map that all of them lead to its output. What
lies between is run by onnxruntime and by an RnnPool with the matrices that were found; only where both give the same
is it one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch

from hil.checkpoints.onnx_cells import Cell, candidates
from hil.checkpoints.onnx_graph import Graph, Shapes
from hil.checkpoints.onnx_nodes import OnnxNode
from hil.reference.rnnpool import RnnPool

LARGEST_PATCH, CLOSE = 16, 1e-3
Between = Callable[[str, str, np.ndarray], np.ndarray]  # runs the graph from one value to another


@dataclass(frozen=True)
class Found:
    """A pool and where it lies. kind: of its cells, as RnnPool takes it."""

    entry: str
    exit: str
    pool: RnnPool
    kind: str = "fastgrnn"


def find(
    nodes: Sequence[OnnxNode], constants: dict[str, np.ndarray], shapes: Shapes, source: str, between: Between
) -> Iterator[Found]:
    """Every RNNPool of a graph whose input is `source`, in its order."""
    graph = Graph(nodes, constants, source)
    left = graph.recurrent()
    while left:
        first = graph.matrices[left[0].output]
        seeds = [node for node in left if np.array_equal(graph.matrices[node.output], first)]
        ways = product(graph.entries(seeds, shapes), graph.exits(seeds, shapes))
        one = next((found for way in ways if (found := _try(graph, *way, shapes, between))), None)
        if one is None:
            return  # the complaint is the first of its nodes'
        yield one
        inside = graph.inside(one.entry, one.exit)
        left = [node for node in left if node not in inside]


def _try(graph: Graph, entry: str, exit_: str, shapes: Shapes, between: Between) -> Found | None:
    """The pool between two values, if there is one."""
    pairs = list(candidates(graph, graph.inside(entry, exit_)))
    if not pairs:
        return None
    (_, channels, height, width), (_, made, down, across) = shapes[entry], shapes[exit_]
    x = np.random.default_rng(0).normal(0, 1, (1, channels, height, width)).astype(np.float32)
    wanted = between(entry, exit_, x)
    for patch, stride, pad in _geometries((height, width), (down, across)):
        for cells in pairs:
            pool = _pool(cells, channels, made // 4, patch, stride, pad)
            if pool is not None and _agrees(pool, x, wanted):
                return Found(entry, exit_, pool, cells[0].kind)
    return None


def _geometries(before: tuple[int, int], after: tuple[int, int]) -> Iterator[tuple[int, int, bool]]:
    """Patch, stride and padding that make maps of one size of another's, the usual ones first."""
    for patch, pad in product((8, 6, 7, 4, *range(2, LARGEST_PATCH + 1)), (True, False)):
        for stride in dict.fromkeys((patch // 2, patch, *range(1, patch))):
            sizes = [(n - patch) // stride + 1 + pad for n in before if n >= patch and stride]
            if tuple(sizes) == after:
                yield patch, stride, pad


def _pool(cells: tuple[Cell, Cell], channels: int, hidden2: int, patch: int, stride: int, pad: bool) -> RnnPool | None:
    """None where the cells' shapes are no pool's."""
    pool = RnnPool(channels, cells[0].hidden, hidden2, patch, stride, pad, cell=cells[0].kind)
    state = {f"cell{i}.{name}": values for i, cell in enumerate(cells, 1) for name, values in cell.parameters.items()}
    if any(state[name].shape != tuple(parameter.shape) for name, parameter in pool.state_dict().items()):
        return None
    pool.load_state_dict({name: torch.from_numpy(np.array(values)) for name, values in state.items()})
    return pool.eval()


def _agrees(pool: RnnPool, x: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether a pool gives what is wanted: in its first window, which takes little, and then in all."""
    corner = x[:, :, : pool.patch, : pool.patch]
    with torch.no_grad():
        first = pool(torch.from_numpy(corner)).numpy()[..., 0, 0]
        if first.shape != wanted.shape[:2] or np.abs(first - wanted[..., 0, 0]).max() >= CLOSE:
            return False
        made = pool(torch.from_numpy(x)).numpy()
    return made.shape == wanted.shape and bool(np.abs(made - wanted).max() < CLOSE)
