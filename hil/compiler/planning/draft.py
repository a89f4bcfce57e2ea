"""What a schedule needs: buffers, with their sizes and lifetimes, and cycles.

A scheme says in which way. The replayed schedule (schedule.py) tells when a buffer holds anything at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hil.compiler.kernels import windows
from hil.compiler.kernels.memory import conv_chunk, conv_scratch, gathered_bytes
from hil.compiler.planning.chains import Chain, Row, shape
from hil.compiler.planning.packing import pack
from hil.compiler.planning.predict import predict, predict_in_chain
from hil.compiler.planning.schedule import Node, Replay, nodes_of
from hil.compiler.quantised import graph as q

ALIGNMENT = 8
CANDIDATE_BYTES, BOX_NUMBER_BYTES = 8, 4


@dataclass(frozen=True)
class Scheme:
    """How a network is to run: which layers as chains, and which maps are made whole before anything reads them."""

    chains: tuple[Chain, ...] = ()
    whole: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Wanted:
    """A buffer before it has a place. alive: bool (moments,), of the schedule; uses: how often an image fills it."""

    name: str
    bytes: int
    rows: int
    alive: np.ndarray
    place: str = "ccm"  # where it is better off, if there is room
    uses: float = math.inf  # what is used most stays on the chip


Layout = tuple[list[tuple[int, Wanted]], int]  # buffers of one memory with their offsets, and where the highest ends


@dataclass(frozen=True)
class Draft:
    """A plan whose buffers have no places yet. What does not depend on a board is worked out once for all of them."""

    graph: q.QuantisedGraph
    scheme: Scheme
    nodes: tuple[Node, ...]
    replay: Replay
    wanted: tuple[Wanted, ...]
    padding: dict[str, int]
    depth: dict[str, int]
    pitch: dict[str, int]
    chunk: dict[str, int]

    @cached_property
    def together(self) -> Layout:
        """All buffers in one memory."""
        return _layout(self.wanted)

    @cached_property
    def apart(self) -> dict[str, Layout]:
        """Each buffer in the memory where it is better off."""
        return {place: _layout([b for b in self.wanted if b.place == place]) for place in ("ccm", "sram")}

    @cached_property
    def binding(self) -> str:
        """The layer that runs when most memory holds something."""
        return self.replay.running(int(np.argmax(load(self.wanted))))

    @cached_property
    def cycles(self) -> dict[str, int]:
        """Predicted cycles of each layer."""
        cycles = {layer.name: predict(layer) for layer in self.graph.layers if not isinstance(layer, Row)}
        for node in self.nodes:
            for index, layer in enumerate(node.layers if node.chain else ()):
                assert node.chain is not None
                cycles[layer.name] = predict_in_chain(node.chain, index)
        return {layer.name: cycles[layer.name] for layer in self.graph.layers}


def _layout(wanted: Sequence[Wanted]) -> Layout:
    offsets, end = pack([aligned(b.bytes) for b in wanted], [b.alive for b in wanted])
    return list(zip(offsets, wanted, strict=True)), end


def load(wanted: Iterable[Wanted]) -> np.ndarray:
    """Bytes that hold something, at each moment of the schedule."""
    return np.sum([buffer.bytes * buffer.alive for buffer in wanted], axis=0, dtype=float)


def draft(graph: q.QuantisedGraph, scheme: Scheme, replay: Replay | None = None) -> Draft:
    """What a scheme needs. replay: of the same chains (whatever their turns) and whole maps, if it is there already."""
    nodes = nodes_of(graph, scheme.chains, scheme.whole)
    replay = replay or Replay(graph.input, nodes)
    tensors = [graph.input] + [layer.output for layer in graph.layers]
    padding = {t.name: _padding(graph, t.name) for t in tensors}
    pitch = {t.name: row_pitch(graph, t) for t in tensors}
    depth = {t.name: replay.depth(t.name) for t in replay.tensors}
    chunk: dict[str, int] = {}
    wanted = [
        Wanted(f"{t.name}_rows", depth[t.name] * pitch[t.name], depth[t.name], replay.alive(t.name),
               uses=t.height / depth[t.name])
        for t in replay.tensors
    ]  # fmt: skip
    for number, node in enumerate(nodes):
        if node.chain is not None:
            depth |= {layer.name: _ring_rows(node.chain, i) for i, layer in enumerate(node.chain.layers[:-1])}
            chunk |= chunks(node.chain)
            wanted += _chain_memory(node.chain, pitch, replay, number)
        else:
            wanted += _working_memory(node, replay, number)
    if graph.detector is not None:
        collecting = np.logical_or.reduce([replay.moments(i) for i, n in enumerate(nodes) if n.source])
        wanted = [_awaiting(w) if w.name == f"{graph.input.name}_rows" else w for w in wanted]
        wanted += _detection_memory(graph.detector, collecting)
    elif not graph.outputs:
        wanted = [_kept(w) if w.name == f"{graph.layers[-1].name}_rows" else w for w in wanted]
    return Draft(graph, scheme, nodes, replay, tuple(wanted), padding, depth, pitch, chunk)


def _chain_memory(chain: Chain, pitch: dict[str, int], replay: Replay, number: int) -> Iterator[Wanted]:
    heights = {f"{layer.name}_rows": layer.output.height for layer in chain.layers}
    for name, size, rows in ring_memory(chain, pitch):
        yield Wanted(name, size, rows, replay.span(number), uses=heights[name] / rows)
    for name, size, first, last in step_memory(chain):
        # Loads overlap only within one memory, and all that a convolution's inner loop reads is in its scratch memory.
        where = "sram" if name.endswith("_scratch") else "ccm"
        yield Wanted(name, size, 0, replay.moments(number, first, last), where)


def _ring_rows(chain: Chain, index: int) -> int:
    """Rows of layer `index`'s output that a ring inside a chain holds."""
    return 0 if chain.is_again and index == 0 else shape(chain.layers[index + 1])[0] - 1


def chunks(chain: Chain) -> dict[str, int]:
    """conv_chunk of every convolution of a chain."""
    return {
        layer.name: conv_chunk(layer, chain.pixels(i), chain.scratch)
        for i, layer in enumerate(chain.layers) if isinstance(layer, q.QConv)
    }  # fmt: skip


def ring_memory(chain: Chain, pitch: dict[str, int]) -> Iterator[tuple[str, int, int]]:
    """Name, bytes and rows of the rings between a chain's layers."""
    for i, layer in enumerate(chain.layers[:-1]):
        if rows := _ring_rows(chain, i):
            yield f"{layer.name}_rows", rows * pitch[layer.name], rows


def step_memory(chain: Chain) -> Iterator[tuple[str, int, int, int]]:
    """Name and bytes of what a chain needs during its steps, and the first and the last layer that needs it.

    Pieces between its layers, what is left of them from turn to turn, and scratch memory for each convolution.
    """
    for i, layer in enumerate(chain.layers[:-1]):
        pieces = shape(chain.layers[i + 1])[0] if chain.is_again and i == 0 else 1
        yield f"{layer.name}_piece", pieces * piece_bytes(chain, i), i, i + 1
        if carry := carry_bytes(chain, i):  # from turn to turn
            yield f"{layer.name}_carry", pieces * carry, 0, len(chain.layers) - 1
    chunk = chunks(chain)
    for i, layer in enumerate(chain.layers):
        if isinstance(layer, q.QConv) and chunk[layer.name]:
            yield f"{layer.name}_scratch", conv_scratch(layer, chain.pixels(i), chunk[layer.name]), i, i
        if isinstance(layer, q.QConv) and (size := gathered_bytes(layer)):
            yield f"{layer.name}_gathered", size, i, i


def carry_bytes(chain: Chain, index: int) -> int:
    """Of layer `index`'s output: what the next layer looks at again in the next turn at most, of one row."""
    output = chain.layers[index].output
    return aligned(max(turn.carry for turn in chain.turns(index + 1)) * output.channels * output.itemsize)


def piece_bytes(chain: Chain, index: int) -> int:
    """Of layer `index`'s output: what waits for the next layer at most, of one row."""
    output = chain.layers[index].output
    return aligned(chain.piece_columns(index) * output.channels * output.itemsize)


def row_pitch(graph: q.QuantisedGraph, tensor: q.Tensor) -> int:
    """Bytes from row to row of a tensor, padding included."""
    return aligned(tensor.row_bytes + 2 * _padding(graph, tensor.name) * tensor.channels * tensor.itemsize)


def _padding(graph: q.QuantisedGraph, tensor: str) -> int:
    return max((shape(user)[2] for user in graph.users(tensor) if isinstance(user, Row)), default=0)


def _kept(wanted: Wanted) -> Wanted:
    """The buffer of a classifier's logits: they are read after the image."""
    alive = wanted.alive.copy()
    alive[int(np.flatnonzero(alive)[0]) :] = True
    return replace(wanted, alive=alive)


def _awaiting(wanted: Wanted) -> Wanted:
    """The image's rows, of which the next image's first comes in while the boxes are sent."""
    alive = wanted.alive.copy()
    alive[-1] = True
    return replace(wanted, alive=alive)


def _working_memory(node: Node, replay: Replay, number: int) -> list[Wanted]:
    """What a layer outside chains keeps besides its output: states that last, scratch for the length of a step."""
    span = replay.span(number)
    match node.layers:
        case (q.QPool() as pool,):
            # Loads overlap only within one memory, and the cells' matrices and tables lie in SRAM.
            return [
                Wanted(f"{pool.name}_{one.part}", one.bytes, 0, _pool_alive(pool, one, replay, number), "sram")
                for one in windows.buffers(pool)
            ]
        case (q.QMean() as mean,):
            return [Wanted(f"{mean.name}_sums", 4 * mean.input.channels, 0, span)]
        case (q.StepLayer() as layer,):
            return [Wanted(f"{layer.name}_{end}", size, 0, span) for end, size in layer.memory().items()]
    return []


def _pool_alive(pool: q.QPool, buffer: windows.PoolBuffer, replay: Replay, number: int) -> np.ndarray:
    match buffer.life:
        case "always":
            return replay.span(number)
        case "row" | "sweeps" | "finish":
            first, last = {"row": (0, 1), "sweeps": (0, 0), "finish": (1, 1)}[buffer.life]
            return replay.moments(number, first, last)
    alive, times = np.zeros(replay.length, bool), replay.times[number]
    for first, last in windows.rows_alive(pool, buffer):
        alive[times[first] : times[last] + 2] = True
    return alive


def _detection_memory(detector: q.Detector, collecting: np.ndarray) -> list[Wanted]:
    """Candidates from the first row of scores on; detections at the end, over rows that nobody needs any more."""
    gathered, decoded = np.zeros_like(collecting), np.zeros_like(collecting)
    gathered[int(np.flatnonzero(collecting)[0]) :] = True
    decoded[-1] = True
    return [
        Wanted("candidates", CANDIDATE_BYTES * detector.candidates, 0, gathered, uses=1),
        Wanted("detections", BOX_NUMBER_BYTES * detector.columns * detector.detections, 0, decoded, uses=1),
    ]


def aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
