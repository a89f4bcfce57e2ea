"""The plan: where every buffer lies.

Buffers that are never alive at the same time (hil.compiler.planning.draft says when they are) share memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hil.board import Board
from hil.compiler.kernels.weights import hot_bytes
from hil.compiler.planning.draft import Draft, Scheme, Wanted, aligned
from hil.compiler.planning.external import waits
from hil.compiler.planning.packing import pack_apart
from hil.compiler.planning.schedule import Node
from hil.errors import HilError

GUARD_BYTES = 64  # painted bytes behind each arena that must stay untouched
FIRMWARE_BYTES = 3840  # of RAM for application, link and as much stack as runs take
LAYER_BYTES = 24  # and for each layer's cycles, digest and rows


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

    padding: pixels on either side of a tensor's rows; depth: rows its ring holds, 0 where it has none; pitch: bytes
    from row to row. chunk: pixels that a convolution widens at once, 0 for one that does not. cycles: predicted, by
    layer; waits: those of them that are for SDRAM. arenas: bytes of each arena by place ("ccm", "sram", "sdram" where
    the board has one and it is needed). ram_bytes: what the firmware takes of the board's RAM on the chip, in all.
    binding: the layer that runs when most of it holds something.
    """

    board: Board
    scheme: Scheme
    nodes: tuple[Node, ...]
    buffers: tuple[Buffer, ...]
    padding: dict[str, int]
    depth: dict[str, int]
    pitch: dict[str, int]
    chunk: dict[str, int]
    cycles: dict[str, int]
    arenas: dict[str, int]
    ram_bytes: int
    binding: str
    waits: dict[str, int]

    @property
    def arena_bytes(self) -> int:
        return sum(self.arenas.values())

    @property
    def size(self) -> tuple[int, int]:
        """What makes a plan smaller than another: bytes of SDRAM, then of the chip's RAM."""
        return self.arenas.get("sdram", 0), self.ram_bytes

    @property
    def rank(self) -> tuple[bool, float]:
        """What makes a plan better than another: none of it in SDRAM, then RAM times cycles times cycles.

        So one per cent of time is worth two of memory: memory either suffices or does not, and time is always felt.
        """
        return "sdram" in self.arenas, float(self.ram_bytes) * sum(self.cycles.values()) ** 2

    def buffer(self, name: str) -> Buffer | None:
        """A buffer by name; None where the plan needs none of that name."""
        return next((b for b in self.buffers if b.name == name), None)


def place(draft: Draft, board: Board) -> Plan:
    """The draft on a board. Raises HilError that says by how many bytes, because of which buffer, it does not fit."""
    graph = draft.graph
    buffers, arenas = _place(draft, board, hot_bytes(graph))
    on_chip = sum(size + GUARD_BYTES for where, size in arenas.items() if where != "sdram" and size)
    firmware = FIRMWARE_BYTES + LAYER_BYTES * len(graph.layers)
    ram_bytes = on_chip + hot_bytes(graph) + firmware
    waiting = waits(draft.nodes, {b.name for b in buffers if b.place == "sdram"})
    cycles = {name: spent + waiting.get(name, 0) for name, spent in draft.cycles.items()}
    return Plan(board, draft.scheme, draft.nodes, buffers, draft.padding, draft.depth, draft.pitch, draft.chunk,
                cycles, arenas, ram_bytes, draft.binding, waiting)  # fmt: skip


def _place(draft: Draft, board: Board, hot: int) -> tuple[tuple[Buffer, ...], dict[str, int]]:
    """Where each buffer lies: on the chip if all fit there, with the least used in SDRAM otherwise."""
    wanted = draft.wanted
    room = {"ccm": board.ccm.bytes - GUARD_BYTES - board.ccm_reserved} if board.ccm else {}
    room["sram"] = board.sram.bytes - GUARD_BYTES - board.sram_reserved - hot
    placed = _packed(draft, room) or _split(wanted, room)
    try:
        placed = placed or _fill(sorted(wanted, key=lambda b: (-b.bytes, b.name)), room, board)
    except HilError:
        if board.sdram is None:
            raise
        room["sdram"] = board.sdram.bytes - GUARD_BYTES
        placed = _fill(sorted(wanted, key=lambda b: (-b.uses, -b.bytes, b.name)), room, board)
    arenas = {p: aligned(max((o + b.bytes for o, b in n), default=0)) for p, n in placed.items()}
    order = {b.name: i for i, b in enumerate(wanted)}
    buffers = [
        Buffer(
            b.name, b.bytes, place, offset, b.rows, int(np.flatnonzero(b.alive)[0]), int(np.flatnonzero(b.alive)[-1])
        )
        for place, neighbours in placed.items()
        for offset, b in neighbours
    ]
    return tuple(sorted(buffers, key=lambda b: order[b.name])), arenas


_Placed = dict[str, list[tuple[int, Wanted]]]


def _packed(draft: Draft, room: dict[str, int]) -> _Placed | None:
    """The better of two layouts: all in SRAM, whose peak is then that of the whole schedule, or each where it is better
    off, which costs the peak of each memory. None where neither fits."""
    layouts = []
    for found in ({"sram": draft.together}, draft.apart if "ccm" in room else {}):
        if found and all(end <= room[place] for place, (_, end) in found.items()):
            layouts.append({place: list(found[place][0]) if place in found else [] for place in room})
    return min(layouts, key=lambda one: sum(_height(n) for n in one.values()), default=None)


def _split(wanted: Sequence[Wanted], room: dict[str, int]) -> _Placed | None:
    """The buffers in both memories on the chip, each where it is better off if there is room; None where they do not
    fit."""
    if "ccm" not in room:
        return None
    names = ("ccm", "sram")
    sizes, prefers = [aligned(b.bytes) for b in wanted], [names.index(b.place) for b in wanted]
    places = pack_apart(sizes, [b.alive for b in wanted], prefers, (room["ccm"], room["sram"]))
    if places is None:
        return None
    found = list(zip(places, wanted, strict=True))
    return {name: [(offset, b) for (memory, offset), b in found if names[memory] == name] for name in names}


def _height(placed: list[tuple[int, Wanted]]) -> int:
    return max((aligned(offset + b.bytes) + GUARD_BYTES for offset, b in placed), default=0)


def _fill(wanted: list[Wanted], room: dict[str, int], board: Board) -> _Placed:
    """The buffers one after another, each where it is better off if there is room, SDRAM last; offset and buffer.

    Raises HilError for the first that fits nowhere.
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
                f"lacks {missing} bytes (the board leaves the network {left}, in bytes)"
            )
    return placed


def _lowest_gap(buffer: Wanted, placed: list[tuple[int, Wanted]]) -> int:
    """The lowest aligned offset at which the buffer overlaps nothing that is alive when it is."""
    offset = 0
    for other_offset, other in sorted(placed, key=lambda p: p[0]):
        if not np.any(buffer.alive & other.alive):
            continue
        if offset + buffer.bytes <= other_offset:
            break
        offset = max(offset, aligned(other_offset + other.bytes))
    return offset
