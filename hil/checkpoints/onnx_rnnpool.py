"""RNNPool in an ONNX graph: its unrolled FastGRNN cells are found, read, and tried out.

A pool's cells use the same matrices step after step; nothing else in such networks does. Around the nodes that read
them, the last map that all of them come from is the pool's input, and a map that all of them lead to its output. What
lies between is run by onnxruntime and by an RnnPool with the matrices that were found; only where both give the same
is it one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch

from hil.checkpoints.onnx_nodes import OnnxNode
from hil.reference.fastgrnn import FastGrnn
from hil.reference.rnnpool import RnnPool

LARGEST_PATCH, CLOSE = 16, 1e-3
EXITS = 12  # maps behind the cells that are tried as the pool's output
Between = Callable[[str, str, np.ndarray], np.ndarray]  # runs the graph from one value to another


@dataclass(frozen=True)
class Found:
    """A pool and where it lies."""

    entry: str
    exit: str
    pool: RnnPool


@dataclass(frozen=True)
class _Cell:
    """A FastGRNN cell's matrices as they stand in the graph, in the order of their first use, and its biases."""

    matrices: tuple[np.ndarray, np.ndarray]
    gate: np.ndarray
    update: np.ndarray


def find(
    nodes: Sequence[OnnxNode],
    constants: dict[str, np.ndarray],
    shapes: dict[str, tuple[int, ...]],
    source: str,
    between: Between,
) -> Iterator[Found]:
    """Every RNNPool of a graph whose input is `source`, in its order."""
    graph = _Graph(nodes, constants, source)
    left = graph.recurrent()
    while left:
        first = graph.matrices[left[0].output]
        seeds = [node for node in left if np.array_equal(graph.matrices[node.output], first)]
        entry = graph.last_common(seeds, shapes)
        one = next(
            (found for exit_ in graph.exits(seeds, shapes) if (found := _try(graph, entry, exit_, shapes, between))),
            None,
        )
        if one is None:
            return  # the complaint is the first of its nodes'
        yield one
        inside = graph.inside(one.entry, one.exit)
        left = [node for node in left if node not in inside]


class _Graph:
    def __init__(self, nodes: Sequence[OnnxNode], constants: dict[str, np.ndarray], source: str) -> None:
        self.nodes, self.constants, self.source = nodes, constants, source
        self.users: dict[str, list[OnnxNode]] = {}
        for node in nodes:
            for value in node.inputs:
                self.users.setdefault(value, []).append(node)

        self.matrices = {node.output: matrix for node in nodes if (matrix := self._matrix(node)) is not None}

    def recurrent(self) -> list[OnnxNode]:
        """Products with a matrix that other products use too."""
        counts = Counter(self.matrices[node.output].tobytes() for node in self.nodes if node.output in self.matrices)
        return [n for n in self.nodes if n.output in self.matrices and counts[self.matrices[n.output].tobytes()] > 1]

    def _matrix(self, node: OnnxNode) -> np.ndarray | None:
        """The constant matrix (in, out) that a product multiplies rows with; one repeated over a batch is one."""
        if node.op not in ("MatMul", "Gemm"):
            return None
        for place in (1, 0):
            values = self.constants.get(node.inputs[place])
            if values is not None and values.ndim == 3 and (values == values[:1]).all():
                values = values[0]
            if values is not None and values.ndim == 2:
                is_turned = place == 0 or bool(node.attributes.get("transB"))
                return np.ascontiguousarray(values.T if is_turned else values)
        return None

    def reached(self, start: str, without: str | None = None) -> set[str]:
        """Every value that a value leads to, some other one left out."""
        reached, waiting = {start}, [start]
        while waiting:
            for node in self.users.get(waiting.pop(), ()):
                if node.output not in reached and node.output != without:
                    reached.add(node.output)
                    waiting.append(node.output)
        return reached

    def last_common(self, seeds: list[OnnxNode], shapes: dict[str, tuple[int, ...]]) -> str:
        """The last map without which the network's input would lead to none of the nodes."""
        entry, outputs = self.source, {node.output for node in seeds}
        for node in self.nodes:
            if node.output in outputs:
                break
            if len(shapes.get(node.output, ())) == 4 and not outputs & self.reached(self.source, node.output):
                entry = node.output
        return self._unsliced(entry)

    def _unsliced(self, value: str) -> str:
        """What a map was cut out of: pixels that no window reaches, which an RnnPool leaves out itself."""
        makers = {node.output: node for node in self.nodes}
        while value in makers and makers[value].op == "Slice":
            value = makers[value].inputs[0]
        return value

    def exits(self, seeds: list[OnnxNode], shapes: dict[str, tuple[int, ...]]) -> list[str]:
        """Maps that everything which the nodes lead to comes through, the first ones first."""
        ends = [n.output for n in self.nodes if n.output not in self.users]
        found: list[str] = []
        after = self.reached(seeds[0].output)
        for node in self.nodes:
            shape = shapes.get(node.output, ())
            if node.output not in after or len(shape) != 4 or shape[1] % 4 or len(found) == EXITS:
                continue
            if [user.op for user in self.users.get(node.output, ())] == ["Pad"]:
                continue  # its last row and column are repeated behind it
            if not any(set(ends) & self.reached(seed.output, node.output) for seed in seeds):
                found.append(node.output)
        return found

    def inside(self, entry: str, exit_: str) -> list[OnnxNode]:
        """The nodes between two values."""
        after = self.reached(entry) - {entry}
        needed, waiting = set(), [exit_]
        by_output = {node.output: node for node in self.nodes}
        while waiting:
            value = waiting.pop()
            if value in after and value in by_output and value not in needed:
                needed.add(value)
                waiting += by_output[value].inputs
        return [node for node in self.nodes if node.output in needed]

    def cells(self, inside: Sequence[OnnxNode]) -> list[_Cell]:
        """The cells among some nodes, in the order of their first use."""
        products = [self.matrices[node.output] for node in inside if node.output in self.matrices]
        arrays = list({matrix.tobytes(): matrix for matrix in products}.values())
        gates, updates = self._biases(inside, "Sigmoid"), self._biases(inside, "Tanh")
        if len(arrays) != 4 or len(gates) != 2 or len(updates) != 2:
            return []
        return [_Cell((arrays[2 * i], arrays[2 * i + 1]), gates[i], updates[i]) for i in (0, 1)]

    def _biases(self, inside: Sequence[OnnxNode], function: str) -> list[np.ndarray]:
        """The constants added in front of a function, each once."""
        made = {node.output: node for node in inside}
        found: dict[bytes, np.ndarray] = {}
        for node in inside:
            before = made.get(node.inputs[0]) if node.op == function else None
            if before is not None and before.op == "Add":
                values = (self.constants[name].reshape(-1) for name in before.inputs if name in self.constants)
                found |= {value.tobytes(): value for value in values}
        return list(found.values())


def _try(graph: _Graph, entry: str, exit_: str, shapes: dict[str, tuple[int, ...]], between: Between) -> Found | None:
    """The pool between two values, if there is one."""
    cells = graph.cells(graph.inside(entry, exit_))
    (_, channels, height, width), (_, made, down, across) = shapes[entry], shapes[exit_]
    if len(cells) != 2:
        return None
    x = np.random.default_rng(0).normal(0, 1, (1, channels, height, width)).astype(np.float32)
    wanted = between(entry, exit_, x)
    scalars = sorted(
        {float(v) for v in graph.constants.values() if v.size == 1 and v.dtype == np.float32 and 0 < v < 1}
    )
    gains = [(1.0, 0.0), *product([*scalars, 1.0], scalars)][:12]
    for patch, stride, pad in _geometries((height, width), (down, across)):
        for swaps in product((False, True), repeat=2):
            for zeta, nu in gains:
                pool = _pool(cells, swaps, channels, made // 4, patch, stride, pad, zeta, nu)
                if pool is not None and _agrees(pool, x, wanted):
                    return Found(entry, exit_, pool)
    return None


def _geometries(before: tuple[int, int], after: tuple[int, int]) -> Iterator[tuple[int, int, bool]]:
    """Patch, stride and padding that make maps of one size of another's, the usual ones first."""
    for patch, pad in product((8, 6, 7, 4, *range(2, LARGEST_PATCH + 1)), (True, False)):
        for stride in dict.fromkeys((patch // 2, patch, *range(1, patch))):
            sizes = [(n - patch) // stride + 1 + pad for n in before if n >= patch and stride]
            if tuple(sizes) == after:
                yield patch, stride, pad


def _pool(
    cells: list[_Cell], swaps: tuple[bool, ...], channels: int, hidden2: int, patch: int, stride: int, pad: bool,
    zeta: float, nu: float,
) -> RnnPool | None:  # fmt: skip
    hidden1 = len(cells[0].gate)
    pool = RnnPool(channels, hidden1, hidden2, patch, stride, pad)
    for cell, ours, swap, inputs in zip(cells, (pool.cell1, pool.cell2), swaps, (channels, hidden1), strict=True):
        w, u = cell.matrices[::-1] if swap else cell.matrices
        hidden = len(cell.gate)
        assert isinstance(ours, FastGrnn)
        if w.shape != (inputs, hidden) or u.shape != (hidden, hidden):
            return None
        with torch.no_grad():
            for parameter, values in (
                (ours.W, w),
                (ours.U, u),
                (ours.bias_gate, cell.gate),
                (ours.bias_update, cell.update),
            ):
                parameter.copy_(torch.from_numpy(np.array(values)))
            ours.zeta.fill_(100.0 if zeta == 1 else float(np.log(zeta / (1 - zeta))))
            ours.nu.fill_(-100.0 if nu == 0 else float(np.log(nu / (1 - nu))))
    return pool.eval()


def _agrees(pool: RnnPool, x: np.ndarray, wanted: np.ndarray) -> bool:
    with torch.no_grad():
        made = pool(torch.from_numpy(x)).numpy()
    return made.shape == wanted.shape and bool(np.abs(made - wanted).max() < CLOSE)
