"""An ONNX graph as paths: what leads where, between which maps an RNNPool may lie, and which products are recurrent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from hil.checkpoints.onnx_nodes import OnnxNode

ENTRIES, EXITS = 3, 12  # maps in front of the cells and behind them that are tried as the pool's input and output
OPERATORS = ("GRU", "LSTM")  # cells that are one node, run along a sequence
Shapes = dict[str, tuple[int, ...]]


def is_map(shape: tuple[int, ...] | None) -> bool:
    """Whether a value of this shape may be one image's map."""
    return shape is not None and len(shape) == 4 and shape[0] == 1


class Graph:
    """Nodes with their constants. source: the network's input."""

    def __init__(self, nodes: Sequence[OnnxNode], constants: dict[str, np.ndarray], source: str) -> None:
        self.nodes, self.constants, self.source = nodes, constants, source
        self.users: dict[str, list[OnnxNode]] = {}
        for node in nodes:
            for value in node.inputs:
                self.users.setdefault(value, []).append(node)
        self.makers = {value: node for node in nodes for value in node.outputs}
        self.matrices = {node.output: matrix for node in nodes if (matrix := self._matrix(node)) is not None}

    def recurrent(self) -> list[OnnxNode]:
        """Products with a matrix that other products use too, and ONNX's own recurrent operators."""
        counts = Counter(matrix.tobytes() for matrix in self.matrices.values())
        return [
            node
            for node in self.nodes
            if node.output in self.matrices
            and (node.op in OPERATORS or counts[self.matrices[node.output].tobytes()] > 1)
        ]

    def _matrix(self, node: OnnxNode) -> np.ndarray | None:
        """The constant matrix (in, out) that a product multiplies rows with; one repeated over a batch is one."""
        if node.op in OPERATORS:
            values = self.constants.get(node.inputs[1])
            return None if values is None else np.ascontiguousarray(values[0].T)
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

    def reached(self, start: Sequence[str], without: str | None = None) -> set[str]:
        """Every value that some values lead to, some other one left out."""
        reached, waiting = set(start), list(start)
        while waiting:
            for node in self.users.get(waiting.pop(), ()):
                new = [value for value in node.outputs if value not in reached and value != without]
                reached.update(new)
                waiting += new
        return reached

    def entries(self, seeds: list[OnnxNode], shapes: Shapes) -> list[str]:
        """Maps without which the network's input would lead to none of the nodes, the last ones first."""
        found, outputs = [self.source], {node.output for node in seeds}
        for node in self.nodes:
            if node.output in outputs:
                break
            if is_map(shapes.get(node.output)) and not outputs & self.reached([self.source], node.output):
                found.append(node.output)
        return list(dict.fromkeys(self._unsliced(value, shapes) for value in found[: -ENTRIES - 1 : -1]))

    def _unsliced(self, value: str, shapes: Shapes) -> str:
        """What a map was cut out of: pixels that no window reaches, which an RnnPool leaves out itself. A padding by
        nothing, as exporters write in front of windows, is left out too."""
        while (maker := self.makers.get(value)) and (
            maker.op == "Slice" or (maker.op == "Pad" and shapes[value] == shapes[maker.inputs[0]])
        ):
            value = maker.inputs[0]
        return value

    def exits(self, seeds: list[OnnxNode], shapes: Shapes) -> list[str]:
        """Maps that everything which the nodes lead to comes through, the first ones first."""
        ends = {value for node in self.nodes for value in node.outputs if value not in self.users}
        found: list[str] = []
        after = self.reached(seeds[0].outputs)
        for node in self.nodes:
            shape = shapes.get(node.output, ())
            if node.output not in after or not is_map(shape) or shape[1] % 4 or len(found) == EXITS:
                continue
            if [user.op for user in self.users.get(node.output, ())] == ["Pad"]:
                continue  # its last row and column are repeated behind it
            if not any(ends & self.reached(seed.outputs, node.output) for seed in seeds):
                found.append(node.output)
        return found

    def inside(self, entry: str, exit_: str) -> list[OnnxNode]:
        """The nodes between two values."""
        after = self.reached([entry]) - {entry}
        needed, waiting = set(), [exit_]
        while waiting:
            value = waiting.pop()
            if value in after and value in self.makers and value not in needed:
                needed.add(value)
                waiting += self.makers[value].inputs
        return [node for node in self.nodes if needed & set(node.outputs)]
