"""Which maps are made whole before anything reads them, so that a network runs in stages.

Streaming every layer at once keeps a few rows of every map alive, also of the wide ones inside a block. Deep in a
network a whole narrow map is smaller than that: once it is complete, what came before it is done, and the memory of one
block serves the next. Nothing is computed twice; only the order of rows changes.
"""

from __future__ import annotations

from hil.compiler.quantised import graph as q

LARGEST_WHOLE_BYTES = 65_536  # of a map worth trying to hold whole


def choices(graph: q.QuantisedGraph) -> list[frozenset[str]]:
    """Sets of maps to make whole, from none to all that could be: each holds the maps up to a size, by name.

    Candidates are what blocks hand on: sums, linear convolutions and RNNPool's output, without those of the heads.
    """
    sizes = {layer.name: _whole_bytes(layer.output) for layer in graph.layers if _is_handed_on(layer, graph)}
    limits = sorted({size for size in sizes.values() if size <= LARGEST_WHOLE_BYTES})
    nested = [frozenset(name for name, size in sizes.items() if size <= limit) for limit in limits]
    return [frozenset(), *nested]


def _is_handed_on(layer: q.Layer, graph: q.QuantisedGraph) -> bool:
    users = graph.users(layer.name)
    is_inside = len(users) == 1 and isinstance(users[0], q.QAdd)  # the branch that a residual block adds to its input
    is_narrow = isinstance(layer, q.QAdd | q.QPool) or (isinstance(layer, q.QConv) and layer.output.dtype == "int8")
    return is_narrow and bool(users) and not is_inside


def _whole_bytes(tensor: q.Tensor) -> int:
    return tensor.height * tensor.row_bytes
