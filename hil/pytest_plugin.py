"""pytest on a target: options that say where, fixtures that boot it there.

    def test_sees_the_face(bench, photo):
        assert bench.run(photo).passed

Options: --target and --board (each can be given several times: every test runs on every pair), --model. Fixtures:
`firmware` (built once a session), `target` (a fresh one a test, not booted), `bench` (a fresh target that runs the
firmware). A target that does not work on this machine skips its tests and says how to get it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from hil.errors import HilError

if TYPE_CHECKING:
    from hil.bench.session import Bench
    from hil.firmware.build import Firmware
    from hil.targets.base import Target

DEFAULT_TARGET, DEFAULT_BOARD, DEFAULT_MODEL = "sim", "stm32f407_disco", "rnnpool_face_m4"


@dataclass(frozen=True)
class Place:
    """Where a test runs."""

    target: str
    board: str

    def __str__(self) -> str:
        return f"{self.target}-{self.board}"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hil", "hardware in the loop")
    group.addoption(
        "--target", action="append", help=f"sim, native, renode, serial; repeatable (default {DEFAULT_TARGET})"
    )
    group.addoption("--board", action="append", help=f"a folder of platforms/; repeatable (default {DEFAULT_BOARD})")
    group.addoption("--model", default=DEFAULT_MODEL, help=f"a model's name or checkpoint (default {DEFAULT_MODEL})")
    group.addoption("--timing", choices=("fast", "full"), help="of the simulated board's timing model (default fast)")
    group.addoption("--at", help="for --target serial: PORT[,KEY=VALUE...], as for hil run")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--target") or config.getoption("--board"):
        places(config)  # complains about unknown names once, before anything is collected


def places(config: pytest.Config) -> list[Place]:
    """Every pair of the targets and boards asked for. Raises pytest.UsageError for an unknown name."""
    from hil import board, targets

    chosen_targets = config.getoption("--target") or [DEFAULT_TARGET]
    chosen_boards = config.getoption("--board") or [DEFAULT_BOARD]
    for kind, chosen, known in (("target", chosen_targets, targets.NAMES), ("board", chosen_boards, board.names())):
        for name in chosen:
            if name not in known:
                raise pytest.UsageError(f"no {kind} is called {name!r}: choose one of {', '.join(known)}")
    return [Place(target, name) for target in dict.fromkeys(chosen_targets) for name in dict.fromkeys(chosen_boards)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "place" in metafunc.fixturenames:
        metafunc.parametrize("place", places(metafunc.config), indirect=True, ids=str, scope="session")


@pytest.fixture(scope="session")
def place(request: pytest.FixtureRequest) -> Place:
    """The target and the board that this test runs on."""
    chosen: Place = request.param
    return chosen


@pytest.fixture(scope="session")
def firmware(place: Place, pytestconfig: pytest.Config) -> Firmware:
    """The firmware of --model for this place, built once."""
    from hil.firmware.build import NATIVE, build
    from hil.firmware.cmake import MissingToolError

    try:
        preset = NATIVE if place.target == NATIVE else None
        return build(pytestconfig.getoption("--model"), place.board, preset=preset)
    except MissingToolError as error:
        pytest.skip(str(error))


def create_target(place: Place, at: str | None = None, timing: str | None = None) -> Target:
    """A target for a place; skips the test where this machine cannot have it.

    at: how a real board is reached; timing: the mode of the simulated board's timing model.
    """
    from hil import board, targets
    from hil.targets.connection import options

    connection = options(
        place.target, at if place.target == "serial" else None, timing if place.target == "sim" else None
    )
    try:
        return targets.create(place.target, board.load(place.board), **connection)
    except HilError as error:
        pytest.skip(str(error))


@pytest.fixture
def target(place: Place, pytestconfig: pytest.Config) -> Iterator[Target]:
    """A fresh target, not booted."""
    with create_target(place, pytestconfig.getoption("--at"), pytestconfig.getoption("--timing")) as fresh:
        yield fresh


@pytest.fixture
def bench(firmware: Firmware, target: Target) -> Bench:
    """The firmware, booted on a fresh target that has said hello."""
    from hil.bench.session import Bench

    booted = Bench(firmware, target)
    booted.boot()
    return booted
