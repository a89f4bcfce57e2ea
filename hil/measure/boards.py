"""Which network fits which board: RAM and predicted cycles, or how many bytes are missing. Nothing is built."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hil import board as boards
from hil.board import Board
from hil.compiler import QuantisedGraph
from hil.compiler.planning.choose import choose, drafts, missing_bytes, placed
from hil.compiler.planning.draft import Draft
from hil.errors import HilError
from hil.firmware.model import load_model
from hil.measure.networks import checkpoint, missing_flash
from hil.reference.catalogue import SPECS

Step = Callable[[str, float], None]


@dataclass(frozen=True)
class Fit:
    """A network on a board. missing_bytes: of RAM, where no schedule fits; missing_flash: of flash."""

    network: str
    board: Board
    ram_bytes: int = 0
    sdram_bytes: int = 0
    cycles: int = 0
    missing_bytes: int = 0
    missing_flash: int = 0

    @property
    def seconds(self) -> float:
        """Of one image, predicted."""
        return self.cycles / self.board.clock_hz


def fits(networks: Sequence[str], on: Sequence[str], folder: Path | None, step: Step) -> Iterator[list[Fit]]:
    """A row a network: how it fits each board. Empty sequences: all of them. folder: of checkpoints to take.

    Raises HilError for an unknown network or board.
    """
    chosen = [boards.load(name) for name in on or boards.names()]
    unknown = [name for name in networks if name not in SPECS]
    if unknown:
        raise HilError(f"unknown network {unknown[0]!r}: known are {', '.join(SPECS)}")
    for number, network in enumerate(names := list(networks or SPECS)):
        step(f"planning {network}", number / len(names))
        graph, _ = load_model(checkpoint(network, folder, step))
        schedules = drafts(graph)
        yield [_fit(network, graph, schedules, board) for board in chosen]


def _fit(network: str, graph: QuantisedGraph, schedules: list[Draft], board: Board) -> Fit:
    lacking = missing_flash(graph, board)
    try:
        plan = choose(placed(schedules, board), graph)
    except HilError:
        return Fit(network, board, missing_bytes=missing_bytes(schedules, board), missing_flash=lacking)
    outside, cycles = plan.arenas.get("sdram", 0), sum(plan.cycles.values())
    return Fit(network, board, plan.ram_bytes, outside, cycles, missing_flash=lacking)


def header(on: Sequence[str]) -> str:
    """The matrix' first lines in Markdown."""
    names = list(on or boards.names())
    return f"| network | {' | '.join(names)} |\n|{'---|' * (len(names) + 1)}"


def row(found: Sequence[Fit]) -> str:
    """A network's line in Markdown."""
    return f"| {found[0].network} | {' | '.join(map(_cell, found))} |"


def _cell(fit: Fit) -> str:
    lacks = [(fit.missing_bytes, "RAM"), (fit.missing_flash, "flash")]
    if said := [f"{count:,} B of {what}" for count, what in lacks if count]:
        return f"lacks {' and '.join(said)}"
    outside = f" + {fit.sdram_bytes:,} B of SDRAM" if fit.sdram_bytes else ""
    return f"{fit.ram_bytes:,} B{outside}, {fit.cycles / 1e6:,.0f} M, {fit.seconds:.2f} s"
