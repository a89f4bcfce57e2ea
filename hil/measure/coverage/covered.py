"""From blocks that ran to lines and edges that were covered."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hil.errors import HilError
from hil.measure.coverage.lines import Lines
from hil.targets.sim.ran import WENT_ELSEWHERE, WENT_ON, Blocks

Edge = tuple[int, int, str]  # line and column of a condition, and where it leads: "file:line", or "return"


@dataclass
class Covered:
    """A source file: for each line with code, and for each edge, on how many boards it ran. 0: on none."""

    lines: Counter[int] = field(default_factory=Counter)
    edges: Counter[Edge] = field(default_factory=Counter)


Coverage = dict[str, Covered]  # by file, from firmware_src/ on


def coverage(folder: Path) -> Coverage:
    """What all boards have left in a folder (hil.targets.sim.ran). Raises HilError for a damaged file."""
    found: Coverage = {}
    for elf in sorted(folder.glob("*.elf")):
        boards = [_blocks(path) for path in sorted(folder.glob(f"{elf.stem}-*.json"))]
        add(found, Lines(elf), boards)
    return found


def _blocks(path: Path) -> Blocks:
    try:
        return {(start, end): ways for start, end, ways in json.loads(path.read_text(encoding="utf-8"))}
    except (OSError, ValueError, TypeError) as error:
        raise HilError(f"{path} does not say what ran on a board ({error}): delete it and run again") from error


def add(found: Coverage, lines: Lines, boards: list[Blocks]) -> None:
    """Add what ran of one ELF, on several boards, to what was found before."""
    for row in lines.rows:
        found.setdefault(row.place.file, Covered()).lines[row.place.line] += 0
    left = [_ways_by_end(blocks) for blocks in boards]
    for blocks in boards:
        for file, line in {(row.place.file, row.place.line) for block in blocks for row in lines.within(*block)}:
            found[file].lines[line] += 1
    for end, file, edge, way in _edges(lines):
        found[file].edges[edge] += sum(1 for ways in left if ways.get(end, 0) & way)


def _ways_by_end(blocks: Blocks) -> dict[int, int]:
    """How blocks that end at an address have been left."""
    found: dict[int, int] = {}
    for (_, end), ways in blocks.items():
        found[end] = found.get(end, 0) | ways
    return found


def _edges(lines: Lines) -> Iterator[tuple[int, str, Edge, int]]:
    """Both ways of each conditional branch: the address behind it, its file, the edge, which way."""
    for branch in lines.branches:
        place = lines.place(branch.address)
        assert place is not None, "only branches that have a place are given"
        for target, way in ((branch.end, WENT_ON), (branch.target, WENT_ELSEWHERE)):
            to = None if target is None else lines.place(target)
            name = "return" if target is None else f"{to.file}:{to.line}" if to else "elsewhere"
            yield branch.end, place.file, (place.line, place.column, name), way
