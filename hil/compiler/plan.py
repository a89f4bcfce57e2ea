"""The plan: how many rows of each map must be held, and where every buffer lies.

The replayed schedule (hil.compiler.schedule) tells when a buffer holds anything at all. Buffers that are never alive at
the same time share memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from hil.board import Board
from hil.compiler import graph as q
from hil.compiler.schedule import Node, Replay, nodes_of
from hil.compiler.stages import choices
from hil.compiler.weights import hot_bytes
from hil.errors import HilError

ALIGNMENT = 8
TILE_BYTES = 1280  # a tile is as many rows as fit in this, at least one
GUARD_BYTES = 64  # painted bytes behind each arena that must stay untouched
SCRATCH_BYTES = 8192  # a convolution's widened weights and pixels
CANDIDATE_BYTES, DETECTION_BYTES = 12, 20


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
    nodes = nodes_of(graph, whole)
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
