"""The code blocks of the documentation, and which commands the shell's ones hold."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "docs"))  # from_code: what the site makes of the code
FENCE = re.compile(r"^( *)```([^\n`]*)\n(.*?)^\1```$", re.M | re.S)
REDIRECTIONS = frozenset((">", ">>", "2>", "<"))
TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """A fenced block. language: what stands behind the fence, "" for nothing; line: of the page, from 1.

    title: of a block that is a file, the file's name.
    """

    page: str
    line: int
    language: str
    code: str
    title: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """README and every page that is written by hand."""
    return [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]


def made_pages() -> dict[str, str]:
    """The pages that the site makes of the code, by their paths in docs/."""
    from from_code import PAGES

    return {path: make() for path, make in PAGES.items()}


def blocks_of(text: str, page: str) -> list[Block]:
    """The blocks of a page's text."""
    return [
        Block(
            page,
            text.count("\n", 0, found.start()) + 1,
            found[2].split(" ")[0],
            _dedent(found[3], found[1]),
            "".join(TITLE.findall(found[2])),
        )
        for found in FENCE.finditer(text)
    ]


@cache
def blocks() -> tuple[Block, ...]:
    """Every block of every page."""
    texts = {str(path.relative_to(REPOSITORY)): path.read_text(encoding="utf-8") for path in pages()}
    texts |= {f"docs/{path}": text for path, text in made_pages().items()}
    return tuple(block for page, text in texts.items() for block in blocks_of(text, page))


def block(page: str, language: str, having: str) -> str:
    """The one block of a page and language that has a text in it."""
    (found,) = [b.code.strip() for b in blocks() if (b.page, b.language) == (page, language) and having in b.code]
    return found


def commands(code: str) -> list[list[str]]:
    """The words of each command of a shell block, without comments, line ends that go on, and where output goes."""
    lines = code.replace("\\\n", " ").splitlines()
    found: list[list[str]] = []
    for line in lines:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&;|")
        lexer.whitespace_split, lexer.commenters = True, "#"
        found.append([])
        for word in lexer:
            if set(word) <= set("&;|"):
                found.append([])
            else:
                found[-1].append(word)
    return [words for words in map(_without_files, found) if words]


def _without_files(words: list[str]) -> list[str]:
    """A command's words without `> FILE`, `2> FILE` and the like."""
    return [word for word, before in zip(words, ["", *words], strict=False) if not {word, before} & REDIRECTIONS]


def _dedent(code: str, indent: str) -> str:
    return "".join(line.removeprefix(indent) for line in code.splitlines(keepends=True))
