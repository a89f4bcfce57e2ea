"""What a mutant is: one change, in one place, that some check has to see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hil.selftest.subjects import Subject
    from hil.selftest.trial import Bait

Try = Callable[["Bait"], "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant. killers: names of measurements or of an error; message: the first of them, in words.

    where: the tensor that first differed, where one did.
    """

    killers: tuple[str, ...]
    message: str = ""
    where: str | None = None

    @property
    def is_killed(self) -> bool:
        return bool(self.killers)


@dataclass(frozen=True)
class Mutant:
    """One change. diff: for a person who asks what survived; attempt: does it all and says what came of it.

    place: how the name of the tensor begins that has to differ first, where that is known; trap: the sound program with
    a trap in the changed place, which only what never gets there survives.
    """

    operator: str
    subject: str
    site: str
    diff: str
    attempt: Try
    place: str | None = None
    trap: Try | None = None

    @property
    def name(self) -> str:
        """Unique, and the same in the next campaign."""
        return f"{self.operator}/{self.subject}/{self.site}"


@dataclass(frozen=True)
class Operator:
    """A way to break the bench. breaks: in words; expected: killers, one of which has to be there.

    sites: every mutant that it makes of a subject; count: how many of them a campaign takes; needs: of a subject, the
    kind that it works on ("detector", "classifier", "board" for the simulated board, "any").
    """

    name: str
    breaks: str
    expected: tuple[str, ...]
    sites: Callable[[Subject], Iterable[Mutant]]
    needs: Sequence[str] = ("any",)
    count: int = 2


class StillbornError(Exception):
    """The mutant does not compile: no firmware, so nothing to be fooled by."""
