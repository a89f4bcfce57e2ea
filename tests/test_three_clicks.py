"""From the start page, what a newcomer looks for is at most three links away."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from doc_blocks import REPOSITORY

DOCS = REPOSITORY / "docs"
LINK = re.compile(r"\]\(([\w./-]+\.md)(?:#[\w-]+)?\)")
WANTED = {
    "my-board.md": "# My board",
    "contributing.md": "## An operator",
    "timing.md": "# ",
    "verdict.md": "# ",
    "tutorials/gate-in-ci.md": "GitHub Actions",
}


def reached(start: Path, clicks: int) -> set[Path]:
    """The pages that so many links lead to, the navigation left out."""
    pages = {start}
    for _ in range(clicks):
        found = {(page.parent / link).resolve() for page in pages for link in LINK.findall(page.read_text())}
        pages |= {page for page in found if page.is_file()}  # the others are made of the code and lead nowhere else
    return pages


@pytest.mark.parametrize("page", WANTED)
def test_a_newcomer_finds(page: str) -> None:
    assert DOCS / page in reached(DOCS / "index.md", 3)
    assert WANTED[page] in (DOCS / page).read_text()


def test_a_rule_of_the_timing_model_is_found_with_its_files() -> None:
    assert "## A rule of the timing model" in (DOCS / "contributing.md").read_text()
    assert "contributing.md" in LINK.findall((DOCS / "index.md").read_text())
