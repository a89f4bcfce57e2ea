"""Results of one commit against those of another: which figures moved, by how much, and whether they may."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hil.errors import HilError
from hil.gate.documents import Document
from hil.gate.figures import Figure
from hil.gate.outcomes import outcome_notes
from hil.gate.profiles import Moved, moved_functions
from hil.gate.tolerance import Tolerances, tolerance_of


class Verdict(StrEnum):
    """On a figure's move."""

    WORSE = "worse"  # past its tolerance
    BETTER = "better"
    MOVED = "moved"  # within its tolerance, or without a better and a worse side
    NEW = "new"
    GONE = "gone"
    SAME = "same"


@dataclass(frozen=True)
class Row:
    """A figure in both. None: it is not there, or was not measured. judged: its move can be better or worse."""

    name: str
    base: float | None
    head: float | None
    unit: str
    verdict: Verdict

    @property
    def change(self) -> float | None:
        return None if self.base is None or self.head is None else self.head - self.base

    @property
    def percent(self) -> float | None:
        """The change in percent of the base; None where there is none or the base is 0."""
        return 100 * self.change / abs(self.base) if self.change is not None and self.base else None


@dataclass(frozen=True)
class Pair:
    """The same thing at both commits. notes: what no number says; faults: those of them that must not be."""

    base: Document
    head: Document
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    functions: tuple[Moved, ...] = ()

    @property
    def subject(self) -> str:
        """The network, board and target, without the image and the test."""
        facts = self.head.identity
        said = " ".join(filter(None, (facts.get(key, "") for key in ("network", "board", "target"))))
        return said if self.head.kind == "run" else f"{said} ({self.head.kind})"


@dataclass(frozen=True)
class Comparison:
    """Everything that was compared, and the names of what only one side has."""

    pairs: tuple[Pair, ...]
    only_base: tuple[str, ...] = ()
    only_head: tuple[str, ...] = ()

    @property
    def worse(self) -> tuple[Row, ...]:
        return tuple(row for pair in self.pairs for row in pair.rows if row.verdict is Verdict.WORSE)

    @property
    def passed(self) -> bool:
        """Nothing moved past its tolerance or is gone, and nothing that passed fails now."""
        return not self.worse and not any(pair.faults for pair in self.pairs)

    def moves(self) -> dict[str, list[tuple[Row, list[str]]]]:
        """Rows that moved, by subject, the worst first; equal rows of several runs once, with the names of the runs."""
        found: dict[str, dict[Row, list[str]]] = defaultdict(lambda: defaultdict(list))
        for pair in self.pairs:
            for row in pair.rows:
                if row.verdict is not Verdict.SAME:
                    found[pair.subject][row].append(pair.head.name)
        return {subject: sorted(rows.items(), key=lambda one: order(one[0])) for subject, rows in found.items()}


def compare(base: Sequence[Document], head: Sequence[Document], tolerances: Tolerances) -> Comparison:
    """Pair what is the same thing at both commits and compare it.

    Raises HilError where nothing is: it names in what the two differ.
    """
    left, right = _by_identity(base), _by_identity(head)
    pairs = [
        _pair(one, other, tolerances)
        for identity, ones in left.items()
        for one, other in zip(ones, right.get(identity, ()), strict=False)
    ]
    if not pairs:
        raise HilError(_nothing_alike(base[0], head[0]))
    return Comparison(tuple(pairs), tuple(_alone(left, right)), tuple(_alone(right, left)))


Identity = tuple[tuple[str, str], ...]


def _by_identity(documents: Iterable[Document]) -> dict[Identity, list[Document]]:
    found: dict[Identity, list[Document]] = defaultdict(list)
    for document in documents:
        found[tuple(sorted(document.identity.items()))].append(document)
    return found


def _alone(these: dict[Identity, list[Document]], those: dict[Identity, list[Document]]) -> Iterator[str]:
    for identity, documents in these.items():
        yield from (document.name for document in documents[len(those.get(identity, ())) :])


def _nothing_alike(one: Document, other: Document) -> str:
    facts, others = one.identity, other.identity
    differing = [
        f"{key} {facts[key] or '-'} there, {others[key] or '-'} here"
        for key in facts
        if facts[key] != others.get(key, facts[key])
    ]
    return (
        f"{one.path} and {other.path} are not of the same thing ({'; '.join(differing[:4])}), so nothing was compared: "
        "give results of the same network, board, target and image"
    )


def _pair(base: Document, head: Document, tolerances: Tolerances) -> Pair:
    before = {figure.name: figure for figure in base.figures}
    after = {figure.name: figure for figure in head.figures}
    rows = tuple(
        row_of(name, before[name].value if name in before else None, after[name].value if name in after else None,
             (after.get(name) or before[name]).unit, tolerances)
        for name in dict.fromkeys((*after, *before))
    )  # fmt: skip
    notes, faults = outcome_notes(base, head)
    functions = moved_functions(base.content, head.content) if head.kind == "profile" else ()
    return Pair(base, head, rows, notes, (*_gone(before, after, tolerances), *faults), functions)


# figures of the parts of a firmware: which there are is the firmware's, so that one may go as long as others are there
_PARTS = frozenset((
    "cycles.layer", "instructions.layer", "ram.layer", "flash.layer", "ram.static", "ram.buffer", "flash.section",
    "flash.function",
))  # fmt: skip


def _gone(before: Mapping[str, Figure], after: Mapping[str, Figure], tolerances: Tolerances) -> Iterator[str]:
    """What was measured and is not any more: a figure that is not there moves past no tolerance."""
    kinds = {_kind(name) for name in after}
    gone = []
    for name, figure in before.items():
        is_judged, is_part = tolerance_of(name, tolerances).is_judged, _kind(name) in _PARTS
        if name in after:
            is_gone = is_judged and figure.value is not None and after[name].value is None
        else:
            is_gone = not is_part or (is_judged and _kind(name) not in kinds)
        if is_gone:
            gone.append(name)
    if gone:
        yield f"{gone[0]} is gone" if len(gone) == 1 else f"{len(gone)} figures are gone, the first is {gone[0]}"


def _kind(name: str) -> str:
    """The first two words of a figure's name."""
    return ".".join(name.split(".")[:2])


def row_of(name: str, base: float | None, head: float | None, unit: str, tolerances: Tolerances) -> Row:
    """A figure's row. base, head: None where it is not there or was not measured."""
    return Row(name, base, head, unit, _verdict(base, head, name, tolerances))


def _verdict(base: float | None, head: float | None, name: str, tolerances: Tolerances) -> Verdict:
    if base is None or head is None:
        return Verdict.SAME if base is head else Verdict.NEW if base is None else Verdict.GONE
    if base == head or (base != base and head != head):
        return Verdict.SAME
    tolerance = tolerance_of(name, tolerances)
    if not tolerance.is_judged:
        return Verdict.MOVED
    if not tolerance.allows(base, head):
        return Verdict.WORSE
    return Verdict.BETTER if tolerance.worsening(base, head) < 0 else Verdict.MOVED


def order(row: Row) -> tuple[int, float]:
    """The worst first, then by how much it moved."""
    ranks = (Verdict.WORSE, Verdict.GONE, Verdict.BETTER, Verdict.NEW, Verdict.MOVED, Verdict.SAME)
    return ranks.index(row.verdict), -abs(row.percent or 0)
