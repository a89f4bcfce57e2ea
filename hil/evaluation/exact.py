"""Ways that must agree bit by bit: the integer reference and every device. Floating point may differ from them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TypeVar

from hil.evaluation.classes import Accuracy, differences
from hil.evaluation.journal import Predictions, disagreements
from hil.evaluation.work import FLOAT

T = TypeVar("T", Predictions, Accuracy)


def contradictions(found: Sequence[Predictions]) -> Iterator[str]:
    """Two ways of a detector whose boxes differ in a bit, each in words."""
    for one, other in itertools.combinations(_exact(found), 2):
        differing = [d for d in disagreements(one, other) if d.differing]
        if differing:
            said = f"{len(differing)} of {len(one.boxes)} photos, {differing[0].photo} first"
            yield f"{one.way} and {other.way} differ on {said}: they must agree bit by bit"


def contradictions_of_classes(found: Sequence[Accuracy]) -> Iterator[str]:
    """The same of a classifier's logits."""
    for one, other, _, logits in differences(_exact(found)):
        if logits:
            yield f"{one} and {other} differ on {logits} of {len(found[0].labels)} photos: they must agree bit by bit"


def _exact(found: Sequence[T]) -> list[T]:
    return [one for one in found if one.way != FLOAT]
