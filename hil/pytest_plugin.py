"""pytest on a target: options that say where, fixtures that boot it there.

    def test_sees_the_face(hil_bench, photo):
        assert hil_bench.run(photo).passed

Options: --hil-target and --hil-board (each can be given several times: every test runs on every pair), --hil-model,
--hil-timing, --hil-at, --hil-limits, --hil-metrics, --hil-results, --hil-failures; each is also a setting of pytest's
configuration file (hil_target = native). Fixtures: `hil_place` (target and board), `hil_firmware` (built once a
session), `hil_target` (a fresh one a test, not booted), `hil_bench` (a fresh target that runs the firmware). A target
that does not work on this machine skips its tests and says how to get it. `hil_cycles` times functions of any ELF.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from hil.errors import HilError
from hil.failure.under_pytest import KEY as BUNDLES
from hil.failure.under_pytest import NONE, Bundles
from hil.gate.gathering import KEY, gathering
from hil.pytest_boards import (
    TARGET,
    in_turn,
    meant,
    pytest_runtest_makereport,
    pytest_terminal_summary,
    pytest_xdist_auto_num_workers,
)

__all__ = ["pytest_runtest_makereport", "pytest_terminal_summary", "pytest_xdist_auto_num_workers"]  # hooks of pytest

if TYPE_CHECKING:
    from hil.bench.device_faults import DeviceFaults
    from hil.bench.limits import Limits
    from hil.bench.session import Bench
    from hil.firmware.build import Firmware
    from hil.targets.base import Target
    from hil.timing.cycles.expected import TimedProgram

DEFAULT_TARGET, DEFAULT_BOARD, DEFAULT_MODEL = "sim", "stm32f407_disco", "rnnpool_face_m4"
TIMINGS = ("fast", "full")


@dataclass(frozen=True)
class Place:
    """Where a test runs."""

    target: str
    board: str

    def __str__(self) -> str:
        return f"{self.target}-{self.board}"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hil", "hardware in the loop")

    def add(name: str, what: str, **kind: Any) -> None:
        group.addoption(f"--hil-{name}", help=f"{what} (ini: hil_{name})", **kind)
        kind_of_setting: Literal["args", "string"] = "args" if "action" in kind else "string"
        parser.addini(f"hil_{name}", what, type=kind_of_setting)

    add("target", f"sim, native, renode, serial; repeatable; default {DEFAULT_TARGET}", action="append", metavar="NAME")
    add("board", f"as hil build --board; repeatable; default {DEFAULT_BOARD}", action="append", metavar="NAME")
    add("model", f"a model's name or checkpoint; default {DEFAULT_MODEL}", metavar="MODEL")
    add("timing", "of the simulated board's timing model: fast or full; default fast", metavar="MODE")
    add("at", "for the target serial, then the default: PORT[,KEY=VALUE...], as for hil run", metavar="PORT")
    add("limits", "a TOML file laid over the board's limits", metavar="FILE")
    add("metrics", "write every run's measurements here, as OpenMetrics", metavar="FILE")
    add("failures", f"write bundles of failures here, {NONE}: nowhere; default build/failures", metavar="DIR")
    add("results", "write every run's run.json here, for hil compare", metavar="DIR")
    add("coverage", "write here, as lcov, which of the firmware's lines ran on simulated boards", metavar="FILE")
    group.addoption(
        "--hil-gdb", nargs="?", const="3333", metavar="PORT",
        help="if the firmware crashes on sim or renode, wait there for GDB at this port (3333)",
    )  # fmt: skip
    add("coverage-limit", "fail if a smaller percentage of these lines ran", metavar="PERCENT")


def pytest_configure(config: pytest.Config) -> None:
    metrics, results = (setting(config, name) for name in ("metrics", "results"))
    gathered = gathering(config, metrics and Path(metrics), results and Path(results))
    config.stash[KEY] = gathered
    config.pluginmanager.register(gathered, "hil-gathering")
    folder = setting(config, "failures") or "build/failures"
    bundles = config.stash[BUNDLES] = Bundles(None if folder == NONE else Path(folder))
    config.pluginmanager.register(bundles, "hil-bundles")
    names = ("target", "board", "timing", "at")
    if any(setting(config, name) for name in names):  # complains about unknown names once, before collection
        places(config)
        _timing(config)
    if config.getoption("--hil-gdb") is not None:
        _debug_port(config)
    if setting(config, "coverage") or setting(config, "coverage-limit"):
        from hil.measure.coverage.session import CoverageOfSession

        config.pluginmanager.register(
            CoverageOfSession(config, setting(config, "coverage"), setting(config, "coverage-limit"))
        )


def _debug_port(config: pytest.Config) -> int:
    """Where GDB is waited for; several workers could not all be watched."""
    text = str(config.getoption("--hil-gdb"))
    if not text.isdecimal() or int(text) > 0xFFFF:
        raise pytest.UsageError(f"--hil-gdb {text}: give a port, or nothing after it")
    if hasattr(config, "workerinput") or getattr(config.option, "numprocesses", None):
        raise pytest.UsageError("--hil-gdb waits for a person at one board: leave -n out")
    return int(text)


def _say(config: pytest.Config, text: str) -> None:
    """Print for the person who started pytest, even where pytest captures output."""
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n{text}", flush=True)


def setting(config: pytest.Config, name: str) -> Any:
    """The option --hil-NAME, else the configuration file's hil_NAME; None or [] where neither is given."""
    return config.getoption(f"--hil-{name}") or config.getini(f"hil_{name}") or None


def places(config: pytest.Config) -> list[Place]:
    """Every pair of the targets and boards asked for. Raises pytest.UsageError for an unknown name."""
    from hil import board, targets

    at = setting(config, "at")
    chosen_targets = setting(config, "target") or ["serial" if at else DEFAULT_TARGET]
    chosen_boards = setting(config, "board") or (at and _kinds(at)) or [DEFAULT_BOARD]
    for kind, chosen, known in (("target", chosen_targets, targets.NAMES), ("board", chosen_boards, board.names())):
        for name in chosen:
            if name not in known:
                raise pytest.UsageError(f"no {kind} is called {name!r}: choose one of {', '.join(known)}")
    return [Place(target, name) for target in dict.fromkeys(chosen_targets) for name in dict.fromkeys(chosen_boards)]


def _kinds(at: str) -> list[str]:
    """The boards that --hil-at names are of these kinds; none for a port."""
    from hil.targets import inventory

    return inventory.kinds(meant(at))


def model(config: pytest.Config) -> str:
    """The model's name or checkpoint. A checkpoint that the configuration file names lies beside that file."""
    name: str = setting(config, "model") or DEFAULT_MODEL
    return name if config.getoption("--hil-model") else str(_beside_the_file(config, name) or name)


def limits(config: pytest.Config, firmware: Firmware) -> Limits:
    """What measurements may be: the board's limits, with those of --hil-limits laid over them."""
    from hil.bench.limits import limits_of

    name = setting(config, "limits")
    path = None if name is None else Path(name)
    if path is not None and not config.getoption("--hil-limits"):
        path = _beside_the_file(config, str(path)) or path
    return limits_of(firmware, path)


def _beside_the_file(config: pytest.Config, name: str) -> Path | None:
    """A file that the configuration file names, wherever pytest was started; None where there is none."""
    path = config.rootpath / name
    return path if path.is_file() else None


def _timing(config: pytest.Config) -> str | None:
    mode: str | None = setting(config, "timing")
    if mode is not None and mode not in TIMINGS:
        raise pytest.UsageError(f"--hil-timing {mode}: choose one of {', '.join(TIMINGS)}")
    return mode


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "hil_place" in metafunc.fixturenames:
        metafunc.parametrize("hil_place", places(metafunc.config), indirect=True, ids=str, scope="session")


@pytest.fixture(scope="session")
def hil_place(request: pytest.FixtureRequest) -> Place:
    """The target and the board that this test runs on."""
    chosen: Place = request.param
    return chosen


@pytest.fixture(scope="session")
def hil_firmware(hil_place: Place, pytestconfig: pytest.Config) -> Firmware:
    """The firmware of --hil-model for this place, built once."""
    from hil.firmware.build import NATIVE, build
    from hil.firmware.programs import MissingToolError
    from hil.firmware.toolchain import VARIABLE

    try:
        return build(model(pytestconfig), hil_place.board, preset=NATIVE if hil_place.target == NATIVE else None)
    except MissingToolError as error:
        if asked := os.environ.get(VARIABLE):
            pytest.fail(f"{VARIABLE} asks for {asked}: {error}", pytrace=False)
        pytest.skip(str(error))


def create_target(place: Place, config: pytest.Config) -> Target:
    """A target for a place, as the options say; skips the test where this machine cannot have it."""
    from hil import board, targets
    from hil.failure.session import Session
    from hil.targets.connection import options

    at = setting(config, "at") if place.target == "serial" else None
    connection = options(place.target, at, _timing(config) if place.target == "sim" else None)
    if "connection" in connection:
        connection["connection"] = in_turn(connection["connection"])
    if place.target == "sim" and config.getoption("--hil-gdb") is not None:
        from hil.debug import DebugTarget

        chosen, port = board.load(place.board), _debug_port(config)
        return DebugTarget(chosen, say=partial(_say, config), waits="fault", port=port)
    if place.target == "renode" and config.getoption("--hil-gdb") is not None:
        from hil.targets.pyrenode.gdb import Gdb

        connection["gdb"] = Gdb(partial(_say, config), _debug_port(config), "fault")
    try:
        return Session(targets.create(place.target, board.load(place.board), **connection))
    except HilError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def hil_cycles(pytestconfig: pytest.Config) -> Callable[..., TimedProgram]:
    """hil_cycles("firmware.elf").call("fir", data, n): modelled cycles of any ELF's function, to be compared.

    A relative path is looked for where pytest's configuration file lies. Options are those of `hil cycles` (board=,
    wait_states=, mode=, ...), for the program or for a call.
    """
    from hil.timing.cycles.expected import TimedProgram

    return lambda elf, **options: TimedProgram(pytestconfig.rootpath / elf, **options)


@pytest.fixture
def hil_target(hil_place: Place, pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Iterator[Target]:
    """A fresh target, not booted."""
    with create_target(hil_place, pytestconfig) as fresh:
        request.node.stash[TARGET] = fresh
        yield fresh


@pytest.fixture
def hil_bench(hil_firmware: Firmware, hil_target: Target, pytestconfig: pytest.Config) -> Bench:
    """The firmware, booted on a fresh target that has said hello."""
    booted = bench_for(hil_firmware, hil_target, pytestconfig)
    booted.boot()
    return booted


@pytest.fixture
def hil_faults(hil_bench: Bench) -> DeviceFaults:
    """Bits of memory that change while the firmware runs, a DMA that stalls, a UART that overruns.

    Skips where the target cannot do that.
    """
    from hil.bench.device_faults import DeviceFaults

    if not hil_bench.target.capabilities.flips_bits:
        pytest.skip(f"target {hil_bench.target.name} changes no bits of memory: use --hil-target sim or renode")
    return DeviceFaults(hil_bench.firmware, hil_bench.target)


def bench_for(firmware: Firmware, target: Target, config: pytest.Config) -> Bench:
    """A bench with the session's limits, not booted; its runs are among what the session leaves."""
    from hil.bench.session import Bench

    bench = Bench(firmware, target, limits(config, firmware))
    bench.on_run = config.stash[KEY].take
    config.stash[BUNDLES].watch(bench)
    return bench
