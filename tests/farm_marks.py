"""A pytest plugin for the clients of a farm: each place that is held has a mark, and a second holder would find it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hil.targets.labgrid.place import Place


@pytest.fixture(scope="session", autouse=True)
def marks():
    """As long as this session's places are held. FARM_MARKS: the folder that all clients share."""
    folder = Path(os.environ["FARM_MARKS"])
    with pytest.MonkeyPatch.context() as patch:
        acquire, release = Place._acquire, Place.release

        def mark(place: Place, wait_s: float) -> None:
            acquire(place, wait_s)
            (folder / place._name).touch(exist_ok=False)

        def unmark(place: Place) -> None:
            (folder / place._name).unlink(missing_ok=True)
            release(place)

        patch.setattr(Place, "_acquire", mark)
        patch.setattr(Place, "release", unmark)
        yield
