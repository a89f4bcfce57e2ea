"""--hil-coverage: what a session of pytest covers of the firmware, the workers of pytest-xdist included."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.errors import HilError
from hil.measure.coverage.covered import Coverage
from hil.measure.coverage.gather import CoverageError, Gathering, check, described, write
from hil.measure.coverage.tracefile import total


class CoverageOfSession:
    """A plugin of pytest's. The controller gathers; its workers inherit the environment that says where."""

    def __init__(self, config: pytest.Config, path: str | None, limit: str | None) -> None:
        """Raises pytest.UsageError for a limit that is no percentage, or that has no file."""
        self._path, self._limit = Path(path or ""), _percentage(limit)
        if path is None:
            raise pytest.UsageError("--hil-coverage-limit needs --hil-coverage FILE")
        self._gathering = None if hasattr(config, "workerinput") else Gathering()
        self._found: Coverage | None = None
        self._problem: HilError | None = None
        if self._gathering is not None:
            self._gathering.start()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the file; a limit that is not kept fails the session."""
        if self._gathering is None:
            return
        try:
            self._found = self._gathering.finish()
            write(self._found, self._path)
            check(self._found, self._limit)
        except HilError as error:
            self._problem = error
            if session.exitstatus == pytest.ExitCode.OK:
                failed = isinstance(error, CoverageError)
                session.exitstatus = pytest.ExitCode.TESTS_FAILED if failed else pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._problem is not None:
            terminalreporter.write_line(f"coverage: {self._problem}", red=True)
        elif self._found is not None:
            terminalreporter.write_line(f"coverage: {described(total(self._found))}: {self._path}")

    def pytest_unconfigure(self) -> None:
        if self._gathering is not None:
            self._gathering.stop()


def _percentage(limit: str | None) -> float | None:
    if limit is None:
        return None
    try:
        value = float(limit)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise pytest.UsageError(f"--hil-coverage-limit {limit}: give a percentage from 0 to 100")
    return value
