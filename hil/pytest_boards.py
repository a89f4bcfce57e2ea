"""pytest on the boards of a lab: as many workers as boards, each beginning with another one; results name the board."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from hil.errors import HilError

if TYPE_CHECKING:
    from hil.targets.base import Target
    from hil.targets.connection import Connection

PROPERTY = "hil_board"  # of a test, in JUnit's XML too
TARGET: pytest.StashKey[Target] = pytest.StashKey()


def meant(text: str) -> Connection:
    """What --hil-at says. Raises pytest.UsageError where that cannot be."""
    from hil.targets import inventory

    try:
        return inventory.connection(text)
    except HilError as error:
        raise pytest.UsageError(str(error)) from error


def in_turn(asked: Connection) -> Connection:
    """The same boards, another one first in each of pytest-xdist's workers: each keeps to its own as long as it can."""
    worker = re.fullmatch(r"gw(\d+)", os.environ.get("PYTEST_XDIST_WORKER", ""))
    if worker is None or not asked.any_of:
        return asked
    first = int(worker[1]) % len(asked.any_of)
    return replace(asked, any_of=asked.any_of[first:] + asked.any_of[:first])


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """With -n auto and several boards: a worker a board."""
    at = config.getoption("--hil-at") or config.getini("hil_at")
    boards = len(meant(at).any_of) if at else 0
    return boards or None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    place = getattr(item.stash.get(TARGET, None), "place", None)
    if place and call.when != "teardown" and (PROPERTY, place) not in item.user_properties:
        item.user_properties.append((PROPERTY, place))
    report: Any = yield
    if place and report.failed:
        report.sections.append(("board", place))
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many tests each board ran."""
    reports = [report for some in terminalreporter.stats.values() for report in some if hasattr(report, "when")]
    ran = Counter(
        place
        for report in reports
        if report.when == "call"
        for name, place in report.user_properties
        if name == PROPERTY
    )
    if ran:
        terminalreporter.write_line("boards: " + ", ".join(f"{place} {count}" for place, count in sorted(ran.items())))
