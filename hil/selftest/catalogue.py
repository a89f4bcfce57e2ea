"""Every operator, and which of their mutants a campaign takes."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from itertools import islice

from hil.errors import HilError
from hil.selftest import assembly, both, constants, graphs, hosts, limit_files, plans, reports, sources, wire
from hil.selftest.mutant import Mutant, Operator
from hil.selftest.subjects import Subject

QUICK = 40  # mutants, an operator each, of the first subject that has any


def operators() -> tuple[Operator, ...]:
    """The catalogue. Names are unique."""
    parts = (constants, sources, plans, wire, graphs, both, hosts, reports, limit_files, assembly)
    found = tuple(operator for part in parts for operator in part.operators())
    assert len({operator.name for operator in found}) == len(found)
    return found


def named(names: Sequence[str]) -> tuple[Operator, ...]:
    """The operators of these names, all without. Raises HilError for an unknown one."""
    known = {operator.name: operator for operator in operators()}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise HilError(f"no operator is called {unknown[0]!r}: choose of {', '.join(known)}")
    return tuple(known[name] for name in names) if names else tuple(known.values())


def mutants(operator: Operator, subject: Subject, count: int | None = None) -> list[Mutant]:
    """A choice of an operator's mutants of a subject, the same each time; none where it does not suit the subject."""
    if not set(operator.needs) <= subject.kinds:
        return []
    found = list(operator.sites(subject))
    seed = int.from_bytes(hashlib.sha256(f"{operator.name}/{subject.name}".encode()).digest()[:8], "little")
    chosen = random.Random(seed).sample(found, min(count or operator.count, len(found)))
    return sorted(chosen, key=lambda mutant: mutant.site)


def quick(subject: Subject) -> list[Mutant]:
    """QUICK mutants of one subject, spread over the catalogue."""
    suited = [operator for operator in operators() if set(operator.needs) <= subject.kinds]
    return list(islice(_spread(suited, subject), QUICK))


def _spread(suited: list[Operator], subject: Subject) -> Iterator[Mutant]:
    step = max(1, len(suited) // QUICK)
    order = [*suited[::step], *(operator for i, operator in enumerate(suited) if i % step)]
    for operator in order:
        yield from mutants(operator, subject, 1)
