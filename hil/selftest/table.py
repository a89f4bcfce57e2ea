"""The table of docs/verdict.md: operator, what it breaks, what catches it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hil.selftest import catalogue
from hil.selftest.campaign import Verdict, survivors

HEADER = "| operator | what it breaks | mutants | killed | caught by |\n|---|---|---|---|---|\n"


def markdown(verdicts: Sequence[Verdict]) -> str:
    """A row an operator, in the catalogue's order."""
    counted = [verdict for verdict in verdicts if verdict.is_counted]
    alive = {verdict.name for verdict in survivors(counted)}
    rows = []
    for operator in catalogue.operators():
        mine = [verdict for verdict in counted if verdict.operator == operator.name]
        if mine:
            killed = sum(verdict.is_killed for verdict in mine)
            equivalent = sum(not v.is_killed and v.name not in alive for v in mine)
            note = f" + {equivalent} equivalent" if equivalent else ""
            cells = (operator.name, operator.breaks, str(len(mine)), f"{killed}{note}", _catchers(mine))
            rows.append("| " + " | ".join(cells) + " |\n")
    return HEADER + "".join(rows)


def _catchers(mine: Sequence[Verdict]) -> str:
    """The first check that noticed each, the most frequent first."""
    counts = Counter(verdict.killers[0] for verdict in mine if verdict.is_killed)
    return ", ".join(f"{name} ({count})" if len(counts) > 1 else name for name, count in counts.most_common())
