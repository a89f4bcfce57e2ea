"""A history's charts, by matplotlib as SVG: a line a network and target, a point a commit that is a link to its row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from xml.sax.saxutils import escape

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from hil.gate.store import Commit
from hil.report.terminal import figure

CHARTED = (  # patterns of figures, in the order in which they are shown, and what a person calls them
    (r"cycles\.total", "Cycles an image"), (r"instructions\.total", "Instructions an image"),
    (r"ram\.total_bytes", "RAM in all"), (r"ram\.stack_used", "Stack"),
    (r"firmware\.flash_bytes|flash\.total_bytes", "Flash"),
    (r"ap\..*|accuracy.*", "Accuracy"), (r"host\..*", "Host speed"),
)  # fmt: skip
# told apart by colour (Okabe and Ito's, for all eyes), dash and mark
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#3f7fbf", "#444444")
_DASHES, _MARKS = ("-", "--", ":", "-."), ("o", "s", "^", "D", "v", "P", "X")
_SIZE = (5.6, 3.1)  # inches: what a phone shows whole, with legible text
_GROUP = re.compile(r'<g id="(PathCollection_\d+)">(.*?)<use [^>]*? style="([^"]*)"/>', re.DOTALL)  # a line's points
_ANCHOR = re.compile(r'<a xlink:href="(#[^"]+)"( [^>]*)?>')


@dataclass(frozen=True)
class Chart:
    """One figure over commits. svg: the picture; names: its lines; name: the figure's, the same as in the table."""

    name: str
    title: str
    svg: str
    lines: tuple[str, ...]


def charts(commits: Sequence[Commit]) -> Iterator[Chart]:
    """A chart for each figure that has one and was found at any commit."""
    names = dict.fromkeys(name for commit in commits for figures in commit.figures.values() for name in figures)
    for pattern, title in CHARTED:
        for name in sorted(name for name in names if re.fullmatch(pattern, name)):
            yield _chart(commits, name, title)


def anchor(commit: Commit) -> str:
    """The id of a commit's row on the page."""
    return f"c-{commit.commit[:12]}"


def _chart(commits: Sequence[Commit], name: str, title: str) -> Chart:
    series = dict.fromkeys(s for commit in commits for s, figures in commit.figures.items() if name in figures)
    unit = next(commit.units[name] for commit in commits if name in commit.units)
    picture = Figure(figsize=_SIZE, layout="constrained")
    axes = picture.add_subplot()
    labels: list[str] = []
    for number, line in enumerate(series):
        points = [(x, c.figures[line][name]) for x, c in enumerate(commits) if name in c.figures.get(line, {})]
        labels += _draw(axes, commits, line, points, number, f"{name}, {{}} {unit}")
    axes.set_ylabel(unit)
    axes.set_xlabel("commits, the latest right")
    if unit != "share":
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(alpha=0.3)
    axes.margins(x=0.02, y=0.15)
    if len(series) > 1:
        axes.legend(fontsize=7, framealpha=0.9)
    return Chart(name, title, _labelled(_lighter(_svg(picture, name)), labels), tuple(series))


def _draw(
    axes: object, commits: Sequence[Commit], line: str, points: list[tuple[int, float]], number: int, said: str
) -> list[str]:
    """A line with its points. Returns what each point is called."""
    colour, dash = _COLOURS[number % len(_COLOURS)], _DASHES[number // len(_COLOURS) % len(_DASHES)]
    places, values = zip(*points, strict=True)
    mark, size = _MARKS[number % len(_MARKS)], 22 if len(points) < 200 else 7
    axes.plot(places, values, dash, color=colour, linewidth=1.2, drawstyle="steps-post", label=line)  # type: ignore[attr-defined]
    dots = axes.scatter(places, values, s=size, marker=mark, color=colour, zorder=3)  # type: ignore[attr-defined]
    dots.set_urls([f"#{anchor(commits[place])}" for place in places])
    return [f"{commits[p].commit[:10]}: {said.format(figure(value))}, {line}" for p, value in points]


def _svg(picture: Figure, name: str) -> str:
    """The picture as one element, text as text, the same bytes for the same figures."""
    text = StringIO()
    with matplotlib.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif", "font.size": 9}
    ):
        FigureCanvasSVG(picture).print_svg(text, metadata={"Date": None, "Creator": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def _labelled(svg: str, labels: Sequence[str]) -> str:
    """With a name on each point, for a pointer's hint and a screen reader; points stand in the order of drawing."""
    names = iter(labels)
    return _ANCHOR.sub(lambda match: f'<a href="{match[1]}" tabindex="-1"><title>{escape(next(names))}</title>', svg)


def _lighter(svg: str) -> str:
    """The same picture in two thirds of the bytes: hundredths of a point, and a colour a line instead of a point."""
    for group in _GROUP.findall(svg):
        svg = svg.replace(f'<g id="{group[0]}">', f'<g id="{group[0]}" style="{group[2]}">', 1)
    svg = re.sub(r'(<use [^>]*?) style="[^"]*"/>', r"\1/>", svg)
    return re.sub(r">\s+<", "><", re.sub(r"(\d\.\d\d)\d+", r"\1", svg))
