"""Mutants of limits.toml: a limit that limits nothing, or is none, must not pass for one that is kept."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from hil.bench.limits import load_limits
from hil.errors import HilError
from hil.selftest.mutant import Mutant, Operator, Outcome
from hil.selftest.subjects import Subject
from hil.selftest.trial import Bait

TEXTS: tuple[tuple[str, str, str], ...] = (
    ("limit-misspelt", "a measurement that there is not", '"ram.arena_usd" = 1e9'),
    ("limit-text", "a limit that is no number", '"ram.arena_used" = "1e9"'),
    ("limit-nan", "a limit that is not a number", '"layers.differing" = nan'),
    ("limit-true", "a limit that is true", '"layers.differing" = true'),
    ("limit-field", "a field that limits do not have", '"layers.differing" = { most = 5 }'),
    ("limit-too-low", "a limit below what is measured", '"ram.arena_used" = 16'),
    ("limit-negative", "a limit that nothing keeps", '"link.retries" = -1'),
    ("limit-required", "a required limit that the target cannot measure",
     '"cycles.total" = { limit = 1e9, required = true }'),
    ("limit-no-toml", "a file that is no TOML", '"layers.differing" = '),
)  # fmt: skip


def operators() -> tuple[Operator, ...]:
    """All that change limits."""
    found = []
    for name, breaks, text in TEXTS:
        expected = ("HilError", "ram.arena_used", "link.retries", "cycles.total")
        found.append(Operator(name, breaks, expected, partial(_sites, name, text), ("native",), 1))
    return tuple(found)


def _sites(operator: str, text: str, subject: Subject) -> Iterator[Mutant]:
    yield Mutant(operator, subject.name, "limits.toml", f"+{text}", partial(_attempt, text))


def _attempt(text: str, bait: Bait) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "limits.toml"
        path.write_text(f"[default]\n{text}\n")
        try:
            mine = load_limits(bait.workshop.subject.board, "default", path)
        except HilError as error:
            return Outcome((type(error).__name__,), str(error))
    changed = {name: limit for name, limit in mine.items() if name in text}
    return replace(bait, limits=bait.limits | changed).run()
