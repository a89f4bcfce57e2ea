"""What `hil compare` found, in a terminal, as a pull request's comment, and as a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from hil.files import write_text
from hil.gate.difference import Comparison, Pair, Row, Verdict
from hil.report.flamegraph import differential_flame_graph
from hil.report.pages import template
from hil.report.terminal import figure
from hil.shown import shown

MARKER = "<!-- rnnpool-hil compare -->"  # by it a comment is found again, to be updated
MOST_ROWS, MOST_FUNCTIONS = 40, 12  # shown in a comment or a terminal; the page has all
_STYLES = {Verdict.WORSE: "bold red", Verdict.BETTER: "green", Verdict.GONE: "yellow"}
_SIGNS = {Verdict.WORSE: "✗", Verdict.BETTER: "✓", Verdict.MOVED: "·", Verdict.NEW: "+", Verdict.GONE: "−"}


def headline(found: Comparison) -> str:
    """One line: how it stands."""
    faults = sum(len(pair.faults) for pair in found.pairs)
    rows = [row for rows in found.moves().values() for row, _ in rows]
    worse, better = (sum(row.verdict is kind for row in rows) for kind in (Verdict.WORSE, Verdict.BETTER))
    said = [
        f"{worse} figure{'s' * (worse != 1)} past tolerance" if worse else "",
        f"{faults} new failure{'s' * (faults != 1)}" if faults else "",
        f"{better} better" if better else "",
    ]
    return ", ".join(filter(None, said)) or ("nothing past tolerance" if rows else "nothing moved")


def in_terminal(found: Comparison) -> Group:
    """The verdict, then a table of what moved a network and target."""
    verdict = Text("passed", style="bold green") if found.passed else Text("WORSE", style="bold red")
    parts: list[RenderableType] = [Text.assemble(verdict, f": {headline(found)} ({len(found.pairs)} compared)")]
    parts += [Text(shown(fault), style="red") for fault in faults_of(found)]
    for subject, rows in found.moves().items():
        parts.append(_table(subject, rows))
    for pair in found.pairs:
        if pair.functions:
            parts.append(_functions(pair))
    parts += [Text(shown(line), style="dim") for line in (*notes_of(found), *alone(found))]
    return Group(*parts)


def faults_of(found: Comparison) -> list[str]:
    """What must not be, with whose it is."""
    return _once((pair, fault) for pair in found.pairs for fault in pair.faults)


def notes_of(found: Comparison) -> list[str]:
    """What no number says."""
    return _once((pair, note) for pair in found.pairs for note in pair.notes)


def _once(said: Iterable[tuple[Pair, str]]) -> list[str]:
    """Each text once a network, board and target, with the first run's name and how many more it is said of."""
    names: dict[tuple[str, str], list[str]] = {}
    for pair, text in said:
        names.setdefault((pair.subject, text), []).append(pair.head.name)
    more = {key: f" (and {len(all_) - 1} more)" if len(all_) > 1 else "" for key, all_ in names.items()}
    return [f"{all_[0]}: {key[1]}{more[key]}" for key, all_ in names.items()]


def alone(found: Comparison) -> Iterator[str]:
    """What could not be compared, named."""
    for names, where in ((found.only_base, "base"), (found.only_head, "head")):
        if names:
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            yield f"not compared, only in {where}: {'; '.join(names[:5])}{more}"


def _table(subject: str, rows: Sequence[tuple[Row, list[str]]]) -> Table:
    table = Table(title=escape(subject), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("figure", overflow="fold")
    for name in ("base", "head", "change", ""):
        table.add_column(name, justify="right")
    for name in ("unit", "verdict"):
        table.add_column(name)
    for row, _ in rows[:MOST_ROWS]:
        style = _STYLES.get(row.verdict)
        cells = (figure(row.base), figure(row.head), change(row), percent(row), row.unit)
        table.add_row(escape(row.name), *cells, Text(row.verdict, style=style or ""), style=None)
    if len(rows) > MOST_ROWS:
        table.caption = f"and {len(rows) - MOST_ROWS} more: --html has all"
    return table


def _functions(pair: Pair) -> Table:
    table = Table("function", title="Where cycles moved", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("base", "head", "change"):
        table.add_column(name, justify="right")
    table.add_column("because of", overflow="fold")
    for moved in pair.functions[:MOST_FUNCTIONS]:
        table.add_row(moved.function, figure(moved.base), figure(moved.head), _signed(moved.change), moved.because)
    return table


def change(row: Row) -> str:
    """With its sign; empty where one side has none."""
    return "" if row.change is None else _signed(row.change)


def percent(row: Row) -> str:
    return "" if row.percent is None else f"{row.percent:+.2f} %"


def _signed(value: float) -> str:
    return ("+" if value > 0 else "−" if value < 0 else "") + figure(abs(value))


def as_markdown(found: Comparison, title: str = "Firmware") -> str:
    """A comment: the marker, a verdict, tables that fold away, all names as code."""
    lines = [MARKER, f"### {title}: {'✓ ' if found.passed else '✗ '}{headline(found)}", ""]
    lines += [f"- ✗ {_code(fault)}" for fault in faults_of(found)]
    for subject, rows in found.moves().items():
        worse = [one for one in rows if one[0].verdict is Verdict.WORSE]
        others = [one for one in rows if one[0].verdict is not Verdict.WORSE]
        lines += ["", f"**{_code(subject)}**", ""]
        lines += _rows(worse)
        if others:
            lines += ["", f"<details><summary>{len(others)} more moved</summary>", "", *_rows(others), "", "</details>"]
    for pair in found.pairs:
        lines += _functions_rows(pair)
    more = [*notes_of(found), *alone(found)]
    if more:
        lines += ["", "<details><summary>Notes</summary>", "", *(f"- {_code(line)}" for line in more), "", "</details>"]
    commits = [one.origin.get("commit") for one in (found.pairs[0].base, found.pairs[0].head)]
    if all(commits):
        lines += ["", f"`{str(commits[0])[:10]}` → `{str(commits[1])[:10]}`, {len(found.pairs)} results compared."]
    return "\n".join(lines) + "\n"


def nothing_compared(title: str, why: str) -> str:
    """The comment where there is no comparison."""
    return f"{MARKER}\n### {title}: nothing was compared\n\n- {_code(why)}\n"


def _rows(rows: Sequence[tuple[Row, list[str]]]) -> Iterator[str]:
    if not rows:
        return
    yield "| | figure | base | head | change | |"
    yield "|---|---|--:|--:|--:|--:|"
    for row, _ in rows[:MOST_ROWS]:
        cells = (figure(row.base), f"{figure(row.head)} {row.unit}", change(row), percent(row))
        yield f"| {_SIGNS[row.verdict]} | {_code(row.name)} | {' | '.join(cells)} |"
    if len(rows) > MOST_ROWS:
        yield f"| | and {len(rows) - MOST_ROWS} more | | | | |"


def _functions_rows(pair: Pair) -> Iterator[str]:
    if not pair.functions:
        return
    yield from ("", f"**Where cycles moved**, {_code(pair.subject)}", "")
    yield from ("| function | base | head | change | because of |", "|---|--:|--:|--:|---|")
    for moved in pair.functions[:MOST_FUNCTIONS]:
        cells = (figure(moved.base), figure(moved.head), _signed(moved.change), moved.because)
        yield f"| {_code(moved.function)} | {' | '.join(cells)} |"


def _code(text: str) -> str:
    """As code, so that no name is taken for markup."""
    return "`" + shown(text).replace("`", "'").replace("|", "¦") + "`"


def write_page(found: Comparison, path: Path) -> None:
    """The page of a comparison; the file is there as a whole or not at all."""
    write_text(path, render(found))


def render(found: Comparison) -> str:
    """The page as HTML, in one file without anything from elsewhere."""
    page = template("comparison.html.j2", figure=figure, change=change, percent=percent, signed=_signed)
    return page.render(
        found=found, headline=headline(found), moves=found.moves(), faults=faults_of(found), notes=notes_of(found),
        alone=list(alone(found)), profiles=[_profile(pair) for pair in found.pairs if pair.functions],
        origins=[_described(one) for one in (found.pairs[0].base.origin, found.pairs[0].head.origin)],
    )  # fmt: skip


def _profile(pair: Pair) -> dict[str, Any]:
    base, head = (_stacks(one.content) for one in (pair.base, pair.head))
    title = f"{pair.subject}: cycles here against there (red: more, blue: fewer)"
    graph = differential_flame_graph(base, head, title) if base and head else ""
    return {"pair": pair, "graph": graph}


def _stacks(profile: Any) -> dict[tuple[str, ...], int]:
    return {tuple(stack.split(";")): cycles for stack, cycles in (profile.get("stacks") or {}).items()}


def _described(origin: Any) -> str:
    commit = origin.get("commit")
    if not commit:
        return "no commit"
    return f"{commit[:10]}{' with changes' if origin.get('dirty') else ''} on {origin.get('branch') or 'no branch'}"
