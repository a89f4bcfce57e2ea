"""The same word for the same thing, in pages, docstrings and help texts: the glossary's last table."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from doc_blocks import FENCE, REPOSITORY, pages

GLOSSARY = (REPOSITORY / "docs" / "glossary.md").read_text(encoding="utf-8")
LEAST_TERMS = 60
OTHERS = {  # what the table says is not written
    r"\b(re)?quantiz": "quantise",
    r"\b(re)?initializ": "initialise",
    r"\bgray\b": "grey",
    r"\bcolors?\b": "colour",
    r"\bbit exact\b|\bbitexact\b": "bit-exact",
    r"\bhigh ?water mark|\bhighwater\b": "high-water mark",
    r"\bwaitstates?\b": "wait states",
    r"\bRun\.json\b|\brun JSON\b": "run.json",
    r"\b[Tt]he simulator\b": "the simulated board",
    r"(?<![-_])\b[Tt]ime ?outs?\b": "time-out",
}
NOT_OURS = re.compile(r"`[^`]*`|\*[^*\n]*\*|Data-Free Quantization|<[^>]*>|\]\([^)]*\)")  # code, titles, addresses


def prose() -> Iterator[tuple[str, str]]:
    """Every page without its code, and every docstring of the package."""
    for path in pages():
        if path.name != "glossary.md":
            yield str(path.relative_to(REPOSITORY)), FENCE.sub("", path.read_text(encoding="utf-8"))
    for path in sorted((REPOSITORY / "hil").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
                yield f"{path.relative_to(REPOSITORY)}, {getattr(node, 'name', 'module')}", text


def strays(text: str) -> list[str]:
    """The words of a text for which the glossary has another one."""
    plain = NOT_OURS.sub(" ", text)
    return [f"{found[0]!r}: write {word}" for other, word in OTHERS.items() for found in re.finditer(other, plain)]


def test_words_do_not_vary() -> None:
    assert [(place, stray) for place, text in prose() for stray in strays(text)] == []


@pytest.mark.parametrize(
    "text",
    ["is quantized", "initializes", "a gray image", "in color", "two colors", "bit exact", "a high water mark",
     "5 waitstates", "a Run.json", "The simulator", "a timeout"],
)  # fmt: skip
def test_a_stray_word_is_found(text: str) -> None:
    assert len(strays(text)) == 1


def test_the_glossary_has_the_words() -> None:
    terms = re.findall(r"^([^\n:#|]+)\n:   \S", GLOSSARY, re.M)
    assert len(terms) >= LEAST_TERMS and len(set(terms)) == len(terms)
    fixed = re.findall(r"^\| ([^|,]+)[^|]*\| [^|]+\|$", GLOSSARY.rpartition("| write | not |\n|---|---|\n")[2], re.M)
    assert len(fixed) > 5 and {word.strip() for word in fixed} <= set(OTHERS.values()), "a row that nothing checks"
    assert all(word.split(",")[0] in GLOSSARY for word in OTHERS.values())
