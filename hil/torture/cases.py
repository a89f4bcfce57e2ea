"""What each number of a campaign is: the same for the same seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hil.torture.lies import LIES
from hil.torture.line import ENDINGS, HARMS, Fault

KINDS = ("line", "ending", "lying board", "lying host")
FAULTS_A_SESSION = 40  # of a line that does harm
FRAMES_A_LIE = 60  # in which a board tells one to three
FRAMES_OF_A_HOST = 200


@dataclass(frozen=True)
class Case:
    """One session. faults: on the line; lies: of the board, by the number of its frame; frames: of a lying host."""

    seed: int
    number: int
    kind: str
    faults: list[Fault] = field(default_factory=list)
    lies: dict[int, str] = field(default_factory=dict)
    frames: int = 0

    def dice(self, what: str) -> random.Random:
        """Dice of this case's own, for what is drawn while it runs."""
        return random.Random(f"{self.seed} {self.number} {what}")

    @property
    def name(self) -> str:
        return f"seed {self.seed}, case {self.number} ({self.kind})"


def case(seed: int, number: int, session_bytes: int) -> Case:
    """A case. session_bytes: that pass in each direction of a run without faults.

    Endings go through every byte of a session, in both directions, one after another.
    """
    kind = KINDS[number % len(KINDS)]
    dice = random.Random(f"{seed} {number}")
    if kind == "line":
        faults = [Fault(dice.choice(HARMS), dice.choice(("out", "home")), dice.randrange(2 * session_bytes))
                  for _ in range(FAULTS_A_SESSION)]  # fmt: skip
        return Case(seed, number, kind, faults)
    if kind == "ending":
        turn, which = divmod(number // len(KINDS), len(ENDINGS))
        at, direction = divmod(turn, 2)
        return Case(seed, number, kind, [Fault(ENDINGS[which], ("out", "home")[direction], at % session_bytes)])
    if kind == "lying board":
        lies = {dice.randrange(FRAMES_A_LIE): dice.choice(LIES) for _ in range(dice.randint(1, 3))}
        return Case(seed, number, kind, lies=lies)
    return Case(seed, number, kind, frames=FRAMES_OF_A_HOST)
