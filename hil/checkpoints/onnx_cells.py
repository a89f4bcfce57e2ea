"""What the two cells of an RNNPool in an ONNX graph may be: their kind and parameters, to be tried out.

Unrolled, a cell is products with two matrices that are used step after step. A gated cell's have its gates' columns
side by side, as PyTorch has them, so its recurrent matrix is three or four times as wide as it is high. ONNX's own
operators GRU and LSTM have theirs as inputs, in another order of gates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from hil.checkpoints.onnx_graph import OPERATORS, Graph
from hil.checkpoints.onnx_nodes import OnnxNode
from hil.reference.rnnpool import CELLS

GATED = {CELLS[kind].gates: kind for kind in CELLS}
ORDERS = {"gru": (1, 0, 2), "lstm": (0, 2, 3, 1)}  # where ONNX (z r h; i o f c) has PyTorch's (r z n; i f g o)
PASSED_ON = ("Slice", "Gather", "Concat", "Unsqueeze", "Squeeze", "Reshape", "Transpose", "Split", "Identity", "Add")


@dataclass(frozen=True)
class Cell:
    """A cell as it may be. parameters: by their names in hil.reference.fastgrnn or .gated."""

    kind: str
    parameters: dict[str, np.ndarray]

    @property
    def hidden(self) -> int:
        return len(self.parameters["U"])


def candidates(graph: Graph, inside: Sequence[OnnxNode]) -> Iterator[tuple[Cell, Cell]]:
    """Pairs of cells that some nodes may be, the likely ones first: in the order of their first use."""
    operators = [cell for node in inside if node.op in OPERATORS and (cell := _of_operator(graph, node))]
    if operators:
        cells = list({cell.parameters["U"].tobytes(): cell for cell in operators}.values())
        yield from [(cells[0], cells[1])] if len(cells) == 2 else []
        return
    products = [graph.matrices[node.output] for node in inside if node.output in graph.matrices]
    arrays = list({matrix.tobytes(): matrix for matrix in products}.values())
    if len(arrays) != 4:
        return
    for swaps in product((False, True), repeat=2):
        pairs = [arrays[2 * i : 2 * i + 2][:: -1 if swap else 1] for i, swap in enumerate(swaps)]
        gates = [u.shape[1] / len(u) for _, u in pairs]
        if gates == [1, 1]:
            yield from _fastgrnn(graph, inside, pairs)
        elif gates[0] == gates[1] and gates[0] in GATED:
            one, two = (_gated(graph, inside, GATED[int(gates[0])], w, u) for w, u in pairs)
            yield one, two


def _of_operator(graph: Graph, node: OnnxNode) -> Cell | None:
    """A GRU or LSTM node's cell; None where both directions differ, or the gates are not PyTorch's."""
    kind = node.op.lower()
    if kind == "gru" and not node.attributes.get("linear_before_reset"):
        return None
    w, u = (graph.constants.get(name) for name in node.inputs[1:3])
    bias = graph.constants.get(node.inputs[3]) if len(node.inputs) > 3 else None
    if w is None or u is None or any((v != v[:1]).any() for v in (w, u, bias) if v is not None):
        return None
    size = w.shape[1]
    biases = np.zeros(2 * size, w.dtype) if bias is None else bias[0]
    parts = {"W": w[0], "U": u[0], "bias_input": biases[:size], "bias_hidden": biases[size:]}
    return Cell(kind, {name: _reordered(values, ORDERS[kind]) for name, values in parts.items()})


def _reordered(values: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    """Rows of ONNX's gates as columns of PyTorch's."""
    gates = np.split(values, len(order))
    return np.ascontiguousarray(np.concatenate([gates[i] for i in order]).T)


def _gated(graph: Graph, inside: Sequence[OnnxNode], kind: str, w: np.ndarray, u: np.ndarray) -> Cell:
    """The biases are what is added behind either product; an LSTM's may stand behind both."""
    given, own = (_added(graph, inside, matrix) for matrix in (w, u))
    if kind == "lstm":
        given, own = given | own, {}
    zeros = np.zeros(u.shape[1], u.dtype)
    biases = {"bias_input": sum(given.values(), zeros), "bias_hidden": sum(own.values(), zeros)}
    return Cell(kind, {"W": w, "U": u, **biases})


def _added(graph: Graph, inside: Sequence[OnnxNode], matrix: np.ndarray) -> dict[bytes, np.ndarray]:
    """The vectors, each once, that are added to products with a matrix before anything is done with them."""
    found: dict[bytes, np.ndarray] = {}
    waiting = [node for node in inside if np.array_equal(graph.matrices.get(node.output), matrix)]  # type: ignore[arg-type]
    seen = {node.output for node in waiting}
    while waiting:
        node = waiting.pop()
        for values in (graph.constants[name] for name in node.inputs if name in graph.constants):
            if node.op in ("Add", "Gemm") and values.size == matrix.shape[1] == max(values.shape):
                found[values.tobytes()] = values.reshape(-1)
        for user in (user for value in node.outputs for user in graph.users.get(value, ())):
            if user.op in PASSED_ON and user.output not in seen:
                seen.add(user.output)
                waiting.append(user)
    return found


def _fastgrnn(
    graph: Graph, inside: Sequence[OnnxNode], pairs: Sequence[Sequence[np.ndarray]]
) -> Iterator[tuple[Cell, Cell]]:
    gates, updates = _in_front(graph, inside, "Sigmoid"), _in_front(graph, inside, "Tanh")
    if len(gates) != 2 or len(updates) != 2:
        return
    scalars = sorted(
        {float(v) for v in graph.constants.values() if v.size == 1 and v.dtype == np.float32 and 0 < v < 1}
    )
    for zeta, nu in [(1.0, 0.0), *product([*scalars, 1.0], scalars)][:12]:
        gains = {
            "zeta": np.array(100.0 if zeta == 1 else np.log(zeta / (1 - zeta)), np.float32),
            "nu": np.array(-100.0 if nu == 0 else np.log(nu / (1 - nu)), np.float32),
        }
        one, two = (
            Cell("fastgrnn", {"W": w, "U": u, "bias_gate": gates[i], "bias_update": updates[i], **gains})
            for i, (w, u) in enumerate(pairs)
        )
        yield one, two


def _in_front(graph: Graph, inside: Sequence[OnnxNode], function: str) -> list[np.ndarray]:
    """The constants added in front of a function, each once."""
    made = {value: node for node in inside for value in node.outputs}
    found: dict[bytes, np.ndarray] = {}
    for node in inside:
        before = made.get(node.inputs[0]) if node.op == function else None
        if before is not None and before.op == "Add":
            values = (graph.constants[name].reshape(-1) for name in before.inputs if name in graph.constants)
            found |= {value.tobytes(): value for value in values}
    return list(found.values())
