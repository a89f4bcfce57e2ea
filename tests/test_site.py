"""The site: it builds without a warning, every page has its place, and what pages say of the code is so."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest
from doc_blocks import REPOSITORY, Block, blocks, blocks_of, pages

pytest.importorskip("mkdocs", reason="needs the site's tools: pip install 'rnnpool-hil[docs]'")
pytestmark = pytest.mark.xdist_group("site")

DOCS = REPOSITORY / "docs"
PATHS = re.compile(r"`((?:hil|firmware_src|tests|platforms|docs|robot_tests)/[\w./]+)`")
MOST_CLICKS = 3
SOUGHT = {  # what a newcomer looks for, and the heading that answers
    "add a board": "My board in 20 minutes",
    "add an operator": "An operator",
    "add a timing rule": "A rule of the timing model",
    "a PASS": "What a PASS means",
    "the cycle figures": "What the accuracy claim rests on",
    "GitHub Actions": "My CI with a gate",
}


class Page(HTMLParser):
    """The links, headings, pictures and code blocks of a page of the site."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.headings: list[str] = []
        self.without_description: list[str] = []
        self.code: list[str] = []
        self._is_heading = False
        self._is_code = False
        self._divisions: list[bool] = []  # those that we are in: whether each is a signature, made of the code
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if tag == "a" and found.get("href"):
            self.links.append(str(found["href"]))
        if tag == "img" and not found.get("alt"):
            self.without_description.append(str(found.get("src")))
        if tag in ("h1", "h2", "h3"):
            self._is_heading = True
            self.headings.append("")
        if tag == "div":
            self._divisions.append("doc-signature" in str(found.get("class")))
        if tag == "pre" and not any(self._divisions):
            self._is_code = True
            self.code.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("h1", "h2", "h3"):
            self._is_heading = False
        if tag == "div" and self._divisions:
            self._divisions.pop()
        if tag == "pre":
            self._is_code = False

    def handle_data(self, data: str) -> None:
        if self._is_heading:
            self.headings[-1] += data
        if self._is_code:
            self.code[-1] += data


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it: a warning fails."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return out


@pytest.fixture(scope="module")
def parsed(site: Path) -> dict[str, Page]:
    """Each page by its address in the site, such as "my-board/"."""
    return {
        path.parent.relative_to(site).as_posix().replace(".", "") + "/": Page(path.read_text(encoding="utf-8"))
        for path in site.rglob("index.html")
    }


def test_pictures_have_descriptions(parsed: dict[str, Page]) -> None:
    assert {address: page.without_description for address, page in parsed.items() if page.without_description} == {}


@pytest.mark.parametrize("page", pages(), ids=lambda path: path.name)
def test_columns_have_heads(page: Path) -> None:
    """A screen reader says them with each cell."""
    heads = re.findall(r"^\|(.*)\|\n\|[-| :]+\|$", page.read_text(encoding="utf-8"), re.M)
    assert [head for head in heads if any(not cell.strip() for cell in head.split("|"))] == []


def unseen(page: Page, known: Iterable[Block]) -> list[str]:
    """The code of a page that is no block which the tests look at."""
    seen = {block.code.strip() for block in known}
    return [code for code in page.code if code.strip() not in seen]


def test_all_code_of_the_site_is_looked_at(parsed: dict[str, Page]) -> None:
    """As the browser has it, against what tests/test_docs_blocks.py runs and parses."""
    assert {address: found for address, page in parsed.items() if (found := unseen(page, blocks()))} == {}
    assert sum(len(page.code) for page in parsed.values()) == sum(one.page != "README.md" for one in blocks())


@pytest.mark.parametrize(
    "text",
    [
        "Indented:\n\n    hil demmo\n",
        "~~~sh\nhil demmo\n~~~\n",
        "````sh\nhil demmo\n````\n",
        "<pre>hil demmo</pre>\n",
        "- one\n\n        hil demmo\n",
    ],
)
def test_code_in_another_spelling_is_noticed(text: str) -> None:
    import markdown

    page = Page(markdown.markdown(text, extensions=["pymdownx.superfences", "pymdownx.highlight"]))
    assert page.code and unseen(page, blocks_of(text, "x.md")) == page.code


def test_every_page_is_in_the_navigation(parsed: dict[str, Page]) -> None:
    """Pages that mkdocs.yml does not name are put under How-to; none is lost."""
    written = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")} - {"index"}
    reached = {urljoin("https://x/", link).removeprefix("https://x/").strip("/") for link in parsed["/"].links}
    assert written <= reached


def test_a_page_without_a_place_comes_under_how_to() -> None:
    import hooks

    nav = [{"Start": "index.md"}, {"How-to": [{"Install": "installing.md"}]}]
    assert hooks.unnamed(["index.md", "installing.md", "new.md"], nav) == ["new.md"]


@pytest.mark.parametrize("sought", SOUGHT)
def test_a_newcomer_finds_it_in_three_clicks(parsed: dict[str, Page], sought: str) -> None:
    heading, clicks, waiting = SOUGHT[sought], {"/": 0}, deque(["/"])
    while waiting:
        address = waiting.popleft()
        if any(found.strip("¶\n ") == heading for found in parsed[address].headings):
            assert clicks[address] <= MOST_CLICKS
            return
        for link in parsed[address].links:
            target = urljoin(f"https://x/{address.lstrip('/')}", link).partition("#")[0].removeprefix("https://x")
            target = target if target == "/" else target.lstrip("/")
            if target in parsed and target not in clicks:
                clicks[target] = clicks[address] + 1
                waiting.append(target)
    pytest.fail(f"no page that can be reached has the heading {heading!r}")


@pytest.mark.parametrize("page", pages(), ids=lambda path: path.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    found = PATHS.findall(page.read_text(encoding="utf-8"))
    named = [name for name in found if not re.search(r"[A-Z]{3}|^hil/_data", name)]  # not NAME, nor the wheel's own
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


def test_public_names_on_the_python_page_have_docstrings() -> None:
    import importlib

    for name in re.findall(r"^::: ([\w.]+)$", (DOCS / "reference" / "python.md").read_text(), re.M):
        module, _, attribute = name.rpartition(".")
        assert (getattr(importlib.import_module(module), attribute).__doc__ or "").strip(), name


# -- the picture of the packages


def test_the_picture_shows_the_real_imports() -> None:
    from from_code import rooms

    found = rooms.checked(rooms.imports(), rooms.layers())
    assert "targets" in found["bench"] and "bench" not in found["targets"]
    drawn = rooms.drawn(found)
    assert all(f">{name}</text>" in drawn for name in found.keys() - rooms.QUIET)


@pytest.mark.parametrize(
    ("planted", "says"),
    [
        ({"link": {"bench"}}, "hil.link imports hil.bench, which is not below it"),
        ({"link": {"timing"}}, "hil.link imports hil.timing, which is not below it"),
        ({"cellar": {"errors"}}, "hil.cellar is in no layer"),
    ],
)
def test_the_picture_refuses_an_import_that_points_up(planted: dict[str, set[str]], says: str) -> None:
    from from_code import rooms

    with pytest.raises(rooms.Upwards, match=says):
        rooms.drawn({"bench": {"targets"}, "targets": {"link"}, "timing": set()} | planted, rooms.layers())


def test_the_picture_leaves_out_what_a_longer_way_explains() -> None:
    from from_code import rooms

    assert rooms.shortest({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {"a": {"b"}, "b": {"c"}, "c": set()}
    assert rooms.rows({"a": {"b"}, "b": {"c"}, "c": set()}) == [["a"], ["b"], ["c"]]
