"""Coverage as an lcov tracefile (geninfo(1)), which genhtml and editors read, and as percentages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hil.measure.coverage.covered import Coverage, Covered


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    covered: int
    total: int

    @property
    def percent(self) -> float:
        """100 where there is nothing to cover."""
        return 100 * self.covered / self.total if self.total else 100.0

    def __add__(self, other: Share) -> Share:
        return Share(self.covered + other.covered, self.total + other.total)


def line_share(covered: Covered) -> Share:
    """Of a file's lines."""
    return Share(sum(1 for count in covered.lines.values() if count), len(covered.lines))


def edge_share(covered: Covered) -> Share:
    """Of a file's edges."""
    return Share(sum(1 for count in covered.edges.values() if count), len(covered.edges))


def total(found: Coverage) -> Share:
    """Lines of all files."""
    return sum((line_share(covered) for covered in found.values()), Share(0, 0))


def tracefile(found: Coverage, sources: Path) -> str:
    """The text of an lcov file. sources: the folder that firmware_src lies in.

    A count is the number of boards on which a line or an edge ran. A branch's block is its column.
    """
    return "".join(f"{line}\n" for file, covered in sorted(found.items()) for line in _records(file, covered, sources))


def _records(file: str, covered: Covered, sources: Path) -> Iterator[str]:
    yield "TN:"
    yield f"SF:{sources / file}"
    for number, (line, column, _) in enumerate(edges := sorted(covered.edges)):
        reached = covered.lines.get(line, 0)
        yield f"BRDA:{line},{column},{number},{covered.edges[edges[number]] if reached else '-'}"
    edge = edge_share(covered)
    yield f"BRF:{edge.total}"
    yield f"BRH:{edge.covered}"
    for line, count in sorted(covered.lines.items()):
        yield f"DA:{line},{count}"
    lines = line_share(covered)
    yield f"LF:{lines.total}"
    yield f"LH:{lines.covered}"
    yield "end_of_record"
