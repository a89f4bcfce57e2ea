"""Bundles of pytest's failures: a test that fails on a bench leaves one, which its report names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hil.bench.session import Bench
    from hil.failure.leaving import Leaving

NONE = "none"  # in the place of a folder
KEY: pytest.StashKey[Bundles] = pytest.StashKey()


class Bundles:
    """A plugin of one session. folder: where they go; None: nowhere."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._benches: list[Bench] = []
        self._leaving: Leaving | None = None

    def watch(self, bench: Bench) -> None:
        """A failure of the test that is running may be about this bench."""
        self._benches.append(bench)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        self._benches = []
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        report: Any = yield
        if report.failed and report.when != "teardown" and self._benches and call.excinfo and self._folder:
            path = self._leave(item.nodeid, call.excinfo)
            if path is not None:
                report.sections.append(("failure", f"all about it: hil show {path}"))
        return report

    def _leave(self, test: str, found: pytest.ExceptionInfo[BaseException]) -> Path | None:
        from hil.failure.leaving import Leaving, failure_of

        self._leaving = self._leaving or Leaving(self._folder or Path())
        bench = self._benches[-1]
        text = (str(found.value).splitlines() or [found.typename])[0]
        return self._leaving.leave(test, bench, failure_of(bench, found.value, text, test), bench.judged)
