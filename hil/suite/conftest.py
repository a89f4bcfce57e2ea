"""Fixtures of the suite: its photos, and one run of the demo's photo that many tests read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hil.bench.run import Run
from hil.firmware.build import Firmware
from hil.pytest_plugin import Place, bench_for, create_target
from hil.reference.photo import Photo
from hil.suite.photos import photo


@pytest.fixture
def load(hil_firmware: Firmware) -> Callable[[str], Photo]:
    """A photo of hil.suite.photos by name, as the firmware takes it."""
    return lambda name: photo(name, hil_firmware.network.spec)


@pytest.fixture(scope="session")
def portrait_run(hil_firmware: Firmware, hil_place: Place, pytestconfig: pytest.Config) -> Run:
    """The demo's photo, run once a place."""
    with bench_for(hil_firmware, create_target(hil_place, pytestconfig), pytestconfig) as bench:
        return bench.run(photo("astronaut", hil_firmware.network.spec))
