"""What an external memory (SDRAM) makes a layer wait for: only where buffers lie tells, so a plan adds it at the end.

Depthwise kernels read single bytes, of several rows by turns. All others read words, one after another, and wait far
less: that is left out. The total of RNNPool-Face-C was 0.1 % off the prediction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from hil.compiler.planning.schedule import Node
from hil.compiler.quantised import graph as q

BYTE_WAITS = 17.0  # cycles: a read 7, its halfword 2, and 8 for another row of a bank, in which a ring's next row lies


def waits(nodes: Collection[Node], external: Collection[str]) -> dict[str, int]:
    """Predicted cycles that layers wait for, of those that do. external: names of the buffers in SDRAM."""
    return dict(_waits(nodes, external))


def _waits(nodes: Collection[Node], external: Collection[str]) -> Iterator[tuple[str, int]]:
    for node in nodes:
        for index, layer in enumerate(node.layers):
            if isinstance(layer, q.QConv) and layer.is_depthwise and f"{layer.input.name}_rows" in external:
                rows = layer.kernel - (index > 0)  # the newest comes in a piece, from inside the chain
                out = layer.output
                yield layer.name, round(BYTE_WAITS * rows * layer.stride * out.height * out.width * out.channels)
