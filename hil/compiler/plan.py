"""The plan: in which order rows are made, how many of each map must be held, and where every buffer lies.

The firmware's scheduler (kernels/schedule.c) is replayed step by step for one image. That tells for each row when it is
made and when it is read last, hence how many rows a map's ring holds and when the ring holds anything at all. Buffers
that are never alive at the same time share memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from hil.board import Board
from hil.compiler import graph as q
from hil.compiler.stages import choices
from hil.compiler.weights import hot_bytes
from hil.errors import HilError

ALIGNMENT = 8
TILE_BYTES = 1280  # a tile is as many rows as fit in this, at least one
GUARD_BYTES = 64  # painted bytes behind each arena that must stay untouched
SCRATCH_BYTES = 8192  # a convolution's widened weights and pixels
CANDIDATE_BYTES, DETECTION_BYTES = 12, 20


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


@dataclass(frozen=True)
class Buffer:
    """A piece of the arena. rows: of a ring (0 for state and scratch); alive: at which moments of the schedule."""

    name: str
    bytes: int
    place: str
    offset: int
    rows: int
    first: int
    last: int


@dataclass(frozen=True)
class Plan:
    """Where everything lies on a board.

    padding: pixels on either side of a tensor's rows; depth: rows its ring holds; pitch: bytes from row to row.
    arenas: bytes of each arena by place ("ccm", "sram", "sdram" where the board has one and it is needed).
    """

    board: Board
    nodes: tuple[Node, ...]
    buffers: tuple[Buffer, ...]
    padding: dict[str, int]
    depth: dict[str, int]
    pitch: dict[str, int]
    arenas: dict[str, int]
    tile_rows: int

    @property
    def arena_bytes(self) -> int:
        return sum(self.arenas.values())

    def buffer(self, name: str) -> Buffer:
        return next(b for b in self.buffers if b.name == name)


def make_plan(graph: q.QuantisedGraph, board: Board) -> Plan:
    """Plans a graph's memory on a board, with the stages (hil.compiler.stages) that need least.

    SDRAM is for what does not fit on the chip, and the plan that needs least of it is taken. Raises HilError that says
    by how many bytes, and because of which buffer, a network does not fit.
    """
    best: Plan | None = None
    complaint: HilError | None = None
    for whole in choices(graph):
        try:
            plan = plan_stages(graph, board, whole)
        except HilError as error:
            complaint = complaint or error
        else:
            best = plan if best is None or _need(plan) < _need(best) else best
    if best is None:
        assert complaint is not None
        raise complaint
    return best


def _need(plan: Plan) -> tuple[int, int]:
    """What a plan is judged by: bytes of SDRAM, then all bytes."""
    return plan.arenas.get("sdram", 0), plan.arena_bytes


def plan_stages(graph: q.QuantisedGraph, board: Board, whole: frozenset[str]) -> Plan:
    """The plan that makes these maps whole before anything reads them. Raises HilError where it does not fit."""
    nodes = _nodes(graph, whole)
    replay = Replay(graph.input, nodes)
    padding = {t.name: _padding(graph, t.name) for t in replay.tensors}
    pitch = {t.name: _aligned(t.row_bytes + 2 * padding[t.name] * t.channels * t.itemsize) for t in replay.tensors}
    depth = {t.name: replay.depth(t.name) for t in replay.tensors}
    wanted = [
        _Wanted(f"{t.name}_rows", depth[t.name] * pitch[t.name], depth[t.name], replay.alive(t.name),
                uses=t.height / depth[t.name])
        for t in replay.tensors
    ]  # fmt: skip
    for index, node in enumerate(nodes, 1):
        wanted += _working_memory(node, replay.working(index))
    if graph.detector is not None:
        collecting = np.logical_or.reduce([replay.working(i)[0] for i, n in enumerate(nodes, 1) if n.layer is None])
        wanted += _detection_memory(graph.detector, collecting)
    else:
        wanted = [_kept(w) if w.name == f"{graph.layers[-1].name}_rows" else w for w in wanted]
    buffers, arenas = _place(wanted, board, hot_bytes(graph))
    row_bytes = graph.input.row_bytes
    tile_rows = max(1, min(TILE_BYTES // row_bytes, graph.input.height))
    return Plan(board, nodes, buffers, padding, depth, pitch, arenas, tile_rows)


def _nodes(graph: q.QuantisedGraph, whole: frozenset[str] = frozenset()) -> tuple[Node, ...]:
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


def _padding(graph: q.QuantisedGraph, tensor: str) -> int:
    return max((user.padding for user in graph.users(tensor) if isinstance(user, q.QConv)), default=0)


@dataclass(frozen=True)
class _Wanted:
    name: str
    bytes: int
    rows: int
    alive: np.ndarray
    place: str = "ccm"  # where it is better off, if there is room
    uses: float = math.inf  # how often an image fills it; what is used most stays on the chip


def _kept(wanted: _Wanted) -> _Wanted:
    """The buffer of a classifier's logits: they are read after the image."""
    alive = wanted.alive.copy()
    alive[int(np.flatnonzero(alive)[0]) :] = True
    return replace(wanted, alive=alive)


def _working_memory(node: Node, working: tuple[np.ndarray, np.ndarray]) -> list[_Wanted]:
    """What a layer keeps besides its output: states that last, scratch for the length of a step."""
    steps, span = working
    match node.layer:
        case q.QPool() as pool:
            # Loads overlap only within one memory, and the cells' matrices and tables lie in SRAM.
            return [_Wanted(name, size, 0, steps if name.endswith(("scratch", "states", "sums")) else span, "sram")
                    for name, size in pool_memory(pool).items()]  # fmt: skip
        case q.QConv() as conv if (chunk := conv_chunk(conv)) > 0:
            return [_Wanted(f"{conv.name}_scratch", conv_scratch(conv, chunk), 0, steps, "sram")]
        case q.QMean() as mean:
            return [_Wanted(f"{mean.name}_sums", 4 * mean.input.channels, 0, span)]
    return []


def pool_memory(pool: q.QPool) -> dict[str, int]:
    """Bytes of the buffers of kernels/rnnpool.h, by name."""
    across = pool.windows[1]
    width = (across - 1) * pool.stride + pool.patch
    phases = -(-pool.patch // pool.stride)
    h1, h2 = pool.cell1.hidden, pool.cell2.hidden
    return {
        f"{pool.name}_columns": 2 * phases * width * h1,
        f"{pool.name}_row_ring": 2 * pool.patch * across * h2,
        f"{pool.name}_scratch": 2 * width * max(h1, h2),
        f"{pool.name}_states": 2 * across * max(h1, h2),
        f"{pool.name}_sums": 4 * max(h1, h2),
    }


def conv_chunk(conv: q.QConv) -> int:
    """Pixels of a row that kernels/conv.h widens at once: as many as SCRATCH_BYTES hold, in even parts of the row.

    0 for a shape that its fast path does not take: depthwise, input channels not a multiple of four, fewer than three
    outputs, rows of one pixel.
    """
    width = conv.output.width
    if conv.is_depthwise or conv.input.channels % 4 or width < 2 or conv.output.channels < 3:
        return 0
    for parts in range(1, width):
        chunk = -(-width // parts)
        if width % chunk != 1 and (conv_scratch(conv, chunk) <= SCRATCH_BYTES or chunk <= 2):
            return chunk
    return 0


def conv_scratch(conv: q.QConv, chunk: int) -> int:
    """Bytes of widened weights of three outputs and of widened pixels for `chunk` outputs."""
    columns = (chunk - 1) * conv.stride + conv.kernel
    return 24 + 2 * conv.kernel * conv.input.channels * (3 * conv.kernel + columns)


def _detection_memory(detector: q.Detector, collecting: np.ndarray) -> list[_Wanted]:
    """Candidates from the first row of scores on; detections at the end, over rows that nobody needs any more."""
    gathered, decoded = np.zeros_like(collecting), np.zeros_like(collecting)
    gathered[int(np.flatnonzero(collecting)[0]) :] = True
    decoded[-1] = True
    return [
        _Wanted("candidates", CANDIDATE_BYTES * detector.candidates, 0, gathered, uses=1),
        _Wanted("detections", DETECTION_BYTES * detector.detections, 0, decoded, uses=1),
    ]


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _place(wanted: list[_Wanted], board: Board, hot: int) -> tuple[tuple[Buffer, ...], dict[str, int]]:
    """Each buffer at the lowest free offset: on the chip if all fit there, with the least used in SDRAM otherwise."""
    room = {
        "ccm": board.ccm.bytes - GUARD_BYTES - board.ccm_reserved,
        "sram": board.sram.bytes - GUARD_BYTES - board.sram_reserved - hot,
    }
    try:
        placed = _fill(sorted(wanted, key=lambda b: (-b.bytes, b.name)), room, board)
    except HilError:
        if board.sdram is None:
            raise
        room["sdram"] = board.sdram.bytes - GUARD_BYTES
        placed = _fill(sorted(wanted, key=lambda b: (-b.uses, -b.bytes, b.name)), room, board)
    arenas = {p: _aligned(max((o + b.bytes for o, b in n), default=0)) for p, n in placed.items()}
    order = {b.name: i for i, b in enumerate(wanted)}
    buffers = [
        Buffer(
            b.name, b.bytes, place, offset, b.rows, int(np.flatnonzero(b.alive)[0]), int(np.flatnonzero(b.alive)[-1])
        )
        for place, neighbours in placed.items()
        for offset, b in neighbours
    ]
    return tuple(sorted(buffers, key=lambda b: order[b.name])), arenas


_Placed = dict[str, list[tuple[int, _Wanted]]]


def _fill(wanted: list[_Wanted], room: dict[str, int], board: Board) -> _Placed:
    """The buffers one after another, each where it is better off if there is room, SDRAM last; offset and buffer.

    The CCM, which only the core can reach, is filled first. Raises HilError for the first that fits nowhere.
    """
    placed: _Placed = {place: [] for place in room}
    for buffer in wanted:
        for place in sorted(room, key=lambda p: (p == "sdram", p != buffer.place)):
            offset = _lowest_gap(buffer, placed[place])
            if offset + buffer.bytes <= room[place]:
                placed[place].append((offset, buffer))
                break
        else:
            missing = min(_lowest_gap(buffer, n) + buffer.bytes - room[p] for p, n in placed.items())
            left = ", ".join(f"{count} of {place.upper()}" for place, count in room.items())
            raise HilError(
                f"the network does not fit {board.name}: buffer {buffer.name} of {buffer.bytes} bytes "
                f"lacks {missing} bytes (the board leaves the network {left}, in bytes); "
                "use a smaller network or a board with more RAM"
            )
    return placed


def _lowest_gap(buffer: _Wanted, placed: list[tuple[int, _Wanted]]) -> int:
    """The lowest aligned offset at which the buffer overlaps nothing that is alive when it is."""
    offset = 0
    for other_offset, other in sorted(placed, key=lambda p: p[0]):
        if not np.any(buffer.alive & other.alive):
            continue
        if offset + buffer.bytes <= other_offset:
            break
        offset = max(offset, _aligned(other_offset + other.bytes))
    return offset
