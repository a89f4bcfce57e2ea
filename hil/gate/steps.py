"""A history's steps: what moved from each commit to the one after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hil.gate.difference import Row, Verdict, order, row_of
from hil.gate.store import Commit
from hil.gate.tolerance import Tolerances


@dataclass(frozen=True)
class Step:
    """A commit, and what moved since the one before it with the same series. rows: (series, row), the worst first."""

    commit: Commit
    rows: tuple[tuple[str, Row], ...]

    @property
    def worse(self) -> int:
        """Figures past their tolerance."""
        return sum(row.verdict is Verdict.WORSE for _, row in self.rows)

    @property
    def better(self) -> int:
        return sum(row.verdict is Verdict.BETTER for _, row in self.rows)


def steps(commits: Sequence[Commit], tolerances: Tolerances) -> Iterator[Step]:
    """A step a commit, the oldest first; a series is compared with where it was last seen."""
    latest: dict[str, dict[str, float]] = {}
    for commit in commits:
        rows = [
            (series, row)
            for series, figures in commit.figures.items()
            if series in latest
            for name in figures
            if (row := row_of(name, latest[series].get(name), figures[name], commit.units.get(name, ""), tolerances))
            and row.verdict is not Verdict.SAME
        ]
        yield Step(commit, tuple(sorted(rows, key=lambda one: order(one[1]))))
        for series, figures in commit.figures.items():
            latest[series] = {**latest.get(series, {}), **figures}
