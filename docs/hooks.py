"""MkDocs' hooks: pages made of the code, and a place in the navigation for every page."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

DOCS = Path(__file__).resolve().parent
if str(DOCS) not in sys.path:  # from_code/ is no part of the package
    sys.path.insert(0, str(DOCS))

from from_code import PAGES, SCHEMAS, rooms  # noqa: E402

DRAWING = "<!-- the picture of the rooms -->"


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds the generated pages and schemas, and pages that the navigation does not name to How-to."""
    for path, make in (PAGES | SCHEMAS).items():
        files.append(File.generated(config, path, content=make()))
    assert config.nav is not None
    how_to = next(section["How-to"] for section in config.nav if "How-to" in section)
    how_to.extend(unnamed((file.src_uri for file in files.documentation_pages()), config.nav))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Draws the rooms where a page asks for them."""
    return markdown.replace(DRAWING, rooms.drawn()) if DRAWING in markdown else markdown


def unnamed(pages: Any, nav: Any) -> list[str]:
    """The pages that a navigation does not name, sorted."""
    return sorted(set(pages) - set(named(nav)))


def named(nav: Any) -> list[str]:
    """Every page of a navigation, in its order."""
    if isinstance(nav, str):
        return [str(PurePosixPath(nav))]
    return [page for item in (nav.values() if isinstance(nav, dict) else nav) for page in named(item)]
