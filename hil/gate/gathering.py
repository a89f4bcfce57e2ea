"""What the runs of a pytest session leave: properties in JUnit, a file of metrics, a results folder.

Runs travel from a worker of pytest-xdist to the session as text on the test's report.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hil.errors import HilError

if TYPE_CHECKING:
    from hil.bench.run import Run

KEY: pytest.StashKey[Gathering] = pytest.StashKey()


class Gathering:
    """A plugin of one session. metrics, results: a file and a folder, where they are wanted."""

    def __init__(self, folder: Path, metrics: Path | None, results: Path | None, is_worker: bool) -> None:
        """folder: whose commit it is. is_worker: the session of these tests is in another process, which writes."""
        self._folder, self._metrics, self._results, self._is_worker = folder, metrics, results, is_worker
        self._item: pytest.Item | None = None
        self._new: list[dict[str, Any]] = []
        self._count = 0
        self._all: list[dict[str, Any]] = []
        self._origin: dict[str, Any] | None = None

    def take(self, run: Run) -> None:
        """A run of the test that is running, or of a fixture that it asked for."""
        found = run.to_json()
        self._count += 1
        if self._item is not None:
            self._item.user_properties.extend(properties(found, self._count))
        self._new.append(found)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._item, self._count = item, 0
        try:
            return (yield)
        finally:
            self._item = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Iterator[None]:
        report: Any = yield
        report.hil_runs = json.dumps(self._new)
        self._new = []
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found = [] if self._is_worker else json.loads(getattr(report, "hil_runs", "[]"))
        for run in found:
            self._keep(run, report.nodeid)

    def _keep(self, run: dict[str, Any], test: str) -> None:
        from hil.gate.origin import origin
        from hil.gate.results import with_origin, write_result

        self._origin = self._origin or origin(self._folder)
        before = sum(one["origin"]["test"].partition(" #")[0] == test for one in self._all)
        name = f"{test} #{before + 1}" if before else test
        self._all.append(with_origin(run, self._origin, name))
        if self._results is not None:
            write_result(self._results, run, self._origin, name)

    def pytest_sessionfinish(self) -> None:
        if self._metrics is None or self._is_worker:
            return
        from hil.files import write_text
        from hil.gate.openmetrics import openmetrics

        write_text(self._metrics, openmetrics(self._all))


def gathering(config: pytest.Config, metrics: Path | None, results: Path | None) -> Gathering:
    """The one for a session. Raises pytest.UsageError where nothing can be written to what is wanted."""
    is_worker = hasattr(config, "workerinput")
    if (metrics or results) and not is_worker:
        _try(metrics, results)
    return Gathering(config.rootpath, metrics, results, is_worker)


def _try(metrics: Path | None, results: Path | None) -> None:
    """Write an empty result before any test runs: an unwritable place fails then, not after hours."""
    from hil.files import make_folder, write_text
    from hil.gate.openmetrics import openmetrics

    try:
        if metrics is not None:
            write_text(metrics, openmetrics([]))
        if results is not None:
            make_folder(results)
    except HilError as error:
        raise pytest.UsageError(str(error)) from None


def properties(run: dict[str, Any], number: int = 1) -> Iterator[tuple[str, str]]:
    """What JUnit shows of a test's run; number: of that test's, before each name from the second on."""
    from hil.gate.figures import NOT_MEASURED, measurements
    from hil.gate.results import image, network

    before = "" if number == 1 else f"{number}/"
    yield f"{before}run", f"{network(run)} {run['board']} {run['target']} {image(run)}"
    for figure in measurements(run):
        name = before + figure.name
        yield name, NOT_MEASURED if figure.value is None else repr(figure.value)
        yield f"{name}:unit", figure.unit
        if figure.limit is not None:
            yield f"{name}:limit", repr(figure.limit)
