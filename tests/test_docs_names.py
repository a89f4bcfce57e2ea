"""Sources that a page names are there: a room that moves takes its name in the docs along."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *(page.relative_to(ROOT).as_posix() for page in sorted((ROOT / "docs").rglob("*.md")))]
_NAMED = re.compile(r"`([\w./-]+\.py)`")
_ROOMS = ("hil", "tests", "docs", "robot_tests")


def strangers(text: str, sources: list[str]) -> list[str]:
    """Python files in backticks that are no source; a name in capitals, or under mine/, is the reader's own."""
    names = {name for name in _NAMED.findall(text) if not re.search(r"^mine/|\b[A-Z]{2,}\b", name)}
    return sorted(name for name in names if not any(f"/{source}".endswith(f"/{name}") for source in sources))


@pytest.fixture(scope="module")
def sources() -> list[str]:
    return [path.relative_to(ROOT).as_posix() for room in _ROOMS for path in (ROOT / room).rglob("*.py")]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_sources_that_are_there(page: str, sources: list[str]) -> None:
    assert strangers((ROOT / page).read_text(encoding="utf-8"), sources) == []


def test_a_source_that_is_gone_is_noticed(sources: list[str]) -> None:
    assert strangers("`timing/rules.py`, `hil/cli.py`, `mine/own.py`, `tests/NAME.py`", sources) == ["timing/rules.py"]
