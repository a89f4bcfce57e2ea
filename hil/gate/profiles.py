"""Two profiles against each other: in which function cycles moved, and by which rule's stalls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ISSUE = "instructions"  # the cycle that each instruction takes by itself


@dataclass(frozen=True)
class Moved:
    """A function whose own cycles changed. rules: by how much each rule's did, the largest change first."""

    function: str
    base: int
    head: int
    rules: tuple[tuple[str, int], ...]

    @property
    def change(self) -> int:
        return self.head - self.base

    @property
    def because(self) -> str:
        """The rules in words."""
        return ", ".join(f"{rule} {_signed(change)}" for rule, change in self.rules[:3])


def moved_functions(base: Mapping[str, Any], head: Mapping[str, Any]) -> tuple[Moved, ...]:
    """Of profile.json's objects, the largest change first."""
    before, after = base["functions"], head["functions"]
    names = [name for name in {**after, **before} if before.get(name, 0) != after.get(name, 0)]
    found = [Moved(name, before.get(name, 0), after.get(name, 0), _rules(base, head, name)) for name in names]
    return tuple(sorted(found, key=lambda moved: (-abs(moved.change), moved.function)))


def _rules(base: Mapping[str, Any], head: Mapping[str, Any], function: str) -> tuple[tuple[str, int], ...]:
    """What moved in a function; profiles that do not know (made by an older hil) say nothing."""
    if "stalls" not in base or "stalls" not in head:
        return ()
    before, after = _of(base, function), _of(head, function)
    changes = {rule: after.get(rule, 0) - before.get(rule, 0) for rule in {**after, **before}}
    return tuple(sorted(((r, c) for r, c in changes.items() if c), key=lambda one: (-abs(one[1]), one[0])))


def _of(profile: Mapping[str, Any], function: str) -> dict[str, int]:
    stalls = profile["stalls"].get(function, {})
    return {**stalls, ISSUE: profile["functions"].get(function, 0) - sum(stalls.values())}


def _signed(count: int) -> str:
    return f"{count:+,}".replace(",", " ")
