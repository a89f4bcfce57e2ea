"""Mutants of the C that is on the device: kernels, decoder, schedule, start-up."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator

from hil.selftest.lines import used_lines
from hil.selftest.mutant import Mutant, Operator
from hil.selftest.subjects import Subject
from hil.selftest.trial import attempt_source

EXACT = ("layers.differing", "states.differing", "boxes.differing", "decoder.differing", "logits.differing")
CRASH = (
    "DeviceFault", "TargetFault", "TargetError", "LinkTimeout", "LinkError", "ProtocolError", "BadAnswer",
    "UnexpectedReset",
)  # fmt: skip
ANY = (*EXACT, *CRASH, "ram.arena_used", "HilError")
KERNELS = ("concat.h", "conv.h", "dense.h", "depthwise.h", "dsp.h", "elementwise.h", "fastgrnn.h", "fastgrnn_cell.h",
           "fastgrnn_pixels.h", "function.h", "gated.h", "pool.h", "rnnpool.h", "scaling.h", "tensor.h")  # fmt: skip
SCHEDULE = ("schedule.c", "chain.c", "ring.c")
Swap = tuple[str, str, str]  # name, pattern, replacement

TOKENS: tuple[Swap, ...] = (
    ("comparison", r"(?<=[\w\])] )(<|>|<=|>=)(?= [\w(])", "{bound}"),
    ("sum", r"(?<=[\w\])] )([+-])(?= [\w(])", "{sign}"),
    ("product", r"(?<=[\w\])] )(\*)(?= [\w(])", "+"),
    ("shift", r"(?<=[\w\])] )(<<|>>)(?= [\w(])", "{shift}"),
    ("number", r"(?<![\w.\"#])(\d+)(?![\w.])", "{more}"),
    ("condition", r"(?<=[\w\])] )(==|!=|&&|\|\|)(?= [\w(!])", "{logic}"),
)
OTHERS = {
    "<": ">=", "<=": ">", ">": "<=", ">=": "<", "+": "-", "-": "+", "<<": ">>", ">>": "<<", "==": "!=", "!=": "==",
    "&&": "||", "||": "&&",
}  # fmt: skip


def operators() -> tuple[Operator, ...]:
    """All that edit C text."""
    found = []
    for group, files, needs in (
        ("kernels", [f"firmware_src/kernels/{name}" for name in KERNELS], "native"),
        ("schedule", [f"firmware_src/kernels/{name}" for name in SCHEDULE], "native"),
        ("decoder", ["firmware_src/kernels/detect.c"], "detector"),
    ):
        for what, pattern, _ in TOKENS:
            sites = _token_sites(f"{group}-{what}", files, pattern)
            found.append(Operator(f"{group}-{what}", f"a {what} in the {group}", ANY, sites, (needs, "native"), 3))
        gone = _line_sites(f"{group}-deleted", files)
        found.append(
            Operator(f"{group}-deleted", f"a statement of the {group} left out", ANY, gone, (needs, "native"), 3)
        )
    return tuple(found)


def _files(subject: Subject, files: list[str]) -> list[str]:
    """Without what runs layers together, where a plan has no two that do."""
    has_chains = re.search(r"\.length = [2-9]", subject.model_source)
    return [name for name in files if has_chains or not name.endswith("chain.c")]


def _token_sites(operator: str, files: list[str], pattern: str) -> Callable[[Subject], Iterable[Mutant]]:
    def sites(subject: Subject) -> Iterator[Mutant]:
        for name in _files(subject, files):
            text = _text(subject, name)
            lines = text.split("\n")
            for number, line in used_lines(subject, text):
                if "__asm__" in line or "static_assert" in line or "typedef" in line:
                    continue
                for match in re.finditer(pattern, line):
                    old = match[1]
                    new = OTHERS.get(old) or (str(int(old) + 1) if old.isdigit() else "+")
                    changed = line[: match.start(1)] + new + line[match.end(1) :]
                    yield edited(operator, subject, name, lines, number, changed, match.start(1))

    return sites


def _line_sites(operator: str, files: list[str]) -> Callable[[Subject], Iterable[Mutant]]:
    def sites(subject: Subject) -> Iterator[Mutant]:
        for name in _files(subject, files):
            text = _text(subject, name)
            lines = text.split("\n")
            for number, line in used_lines(subject, text):
                is_statement = re.fullmatch(r"\s+[^{}()=]*(=|\+=|\()[^{}]*;\s*", line)
                is_declaration = re.match(
                    r"\s+(static |const |return|u?int\d+_t|int8_t|bool|float|register|extern)", line
                )
                if is_statement and not is_declaration:
                    yield edited(operator, subject, name, lines, number, ";", 0)

    return sites


def edited(
    operator: str,
    subject: Subject,
    name: str,
    lines: list[str],
    number: int,
    line: str,
    column: int,
    trap: str = "__builtin_trap();",
) -> Mutant:
    """A mutant with one line of a file replaced. trap: what stops the program, before such a line."""
    changed = [*lines[:number], line, *lines[number + 1 :]]
    diff = "\n".join(difflib.unified_diff(lines, changed, name, name, "", "", 1, ""))
    short = name.rsplit("/", 1)[-1]
    site = f"{short}:{number + 1}:{column + 1}"  # lines of what is generated
    if name.startswith("firmware_src"):
        site = f"{short}: {' '.join(line.split()) if line.strip(' ;') else 'without ' + lines[number].strip()}"
    trapped = [*lines[:number], f"{trap} {lines[number]}", *lines[number + 1 :]]
    attempt, stop = (attempt_source(name, "\n".join(text)) for text in (changed, trapped))
    return Mutant(operator, subject.name, site, diff, attempt, trap=stop)


def _text(subject: Subject, name: str) -> str:
    from hil.paths import source_root

    return (source_root() / name).read_text()
