"""Every tensor of a graph that the firmware shows: what taps and digests are numbered by, and `integer.run` keeps."""

from __future__ import annotations

from dataclasses import dataclass

from hil.compiler.quantised.graph import Dtype, QPool, QuantisedGraph

POOL_PARTS = ("rows", "columns", "states")  # of RNNPool: summaries of rows, of columns, last states of the second RNN


@dataclass(frozen=True)
class Shown:
    """A tensor by name, (height, width, channels), in the order in which the firmware makes it."""

    name: str
    height: int
    width: int
    channels: int
    dtype: Dtype


def tensors(graph: QuantisedGraph) -> tuple[Shown, ...]:
    """The layers' outputs, numbered as the layers; then the image, RNNPool's states and what the decoder reads."""
    outputs = {t.name: t for t in (graph.input, *(layer.output for layer in graph.layers))}
    shown = [Shown(t.name, t.height, t.width, t.channels, t.dtype) for t in outputs.values()]
    found = [*shown[1:], shown[0]]
    for layer in graph.layers:
        if isinstance(layer, QPool):
            found += _states(layer)
    for name, read in decoder_inputs(graph).items():
        t = outputs[read]
        found.append(Shown(name, t.height, t.width, t.channels, t.dtype))
    return tuple(found)


def decoder_inputs(graph: QuantisedGraph) -> dict[str, str]:
    """The rows that the decoder reads, by source: their name, and the layer's that made them."""
    found = {}
    for i, source in enumerate(graph.detector.sources if graph.detector else ()):
        found[f"boxes{i}.loc"] = source.loc
        if source.conf != source.loc:
            found[f"boxes{i}.conf"] = source.conf
    return found


def _states(pool: QPool) -> list[Shown]:
    """The int16 states inside RNNPool; of the last ones a row of windows has four rows, one a direction."""
    down, across = pool.windows
    height, width = ((n - 1) * pool.stride + pool.patch for n in (down, across))  # covered by windows
    hidden1, hidden2 = pool.cell1.hidden, pool.cell2.hidden
    shapes = ((height, across, hidden1), (down, width, hidden1), (4 * down, across, hidden2))
    parts = zip(POOL_PARTS, shapes, strict=True)
    return [Shown(f"{pool.name}.{part}", *shape, "int16") for part, shape in parts]
