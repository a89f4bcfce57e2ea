"""What scrolls on our pages can be reached by keys: axe-core's scrollable-region-focusable, held without a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hil

TEMPLATES = sorted((Path(hil.__file__).parent / "report" / "templates").glob("*.html.j2"))


def unreachable(template: str) -> list[str]:
    """Tags of boxes that scroll, and of preformatted text, without a place in the order of keys or a name."""
    tags = re.findall(r"<pre[^>]*>|<div class=\"scroll\"[^>]*>", template)
    return [tag for tag in tags if 'tabindex="0"' not in tag or "aria-label=" not in tag]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_what_scrolls_takes_keys(template: Path) -> None:
    assert unreachable(template.read_text(encoding="utf-8")) == []


def test_one_without_is_found() -> None:
    assert unreachable('<pre>x</pre><div class="scroll" tabindex="0" aria-label="Layers">') == ["<pre>"]
