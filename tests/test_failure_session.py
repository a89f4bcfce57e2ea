"""What passed between host and board is remembered up to the end, also where the target is gone after a crash."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hil.failure.session import Session
from hil.targets.base import Capabilities, Observed, TargetError, TargetFault
from hil.targets.closing import Closing


class Crashing(Closing):
    """A target that ends with its firmware, as Renode does."""

    name, capabilities = "renode", replace(Capabilities(cycles="instructions"), virtual_time=True)
    board = None
    is_on = True

    def read(self, timeout_s: float) -> bytes:
        if self.is_on:
            self.is_on = False
            return b"hello"
        raise TargetFault("write to flash", "a store", pc=0, lr=0, sp=0)

    def observed(self) -> Observed:
        if not self.is_on:
            raise TargetError("no firmware runs")
        return Observed(seconds=1.5)

    def close(self) -> None:
        pass


def test_the_crash_itself_is_what_is_raised_and_noted() -> None:
    session = Session(Crashing())
    assert session.read(0.1) == b"hello"
    with pytest.raises(TargetFault, match="write to flash"):
        session.read(0.1)
    assert [event.kind for event in session.events] == ["<", "!"] and "write to flash" in session.events[-1].text
