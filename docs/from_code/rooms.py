"""The picture of the packages: a box for each, a line where one imports another, drawn from the real imports.

An arrow of the layers in pyproject.toml points down. A package that imports one above or beside it cannot be drawn.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
BOX_WIDTH, BOX_HEIGHT, GAP, RISE = 112, 30, 26, 78
QUIET = frozenset({
    "__main__", "caches", "elf_file", "errors", "files", "leftovers", "locks", "machine_code", "paths", "pools",
    "reading", "shown", "version",
})  # fmt: skip

Imports = dict[str, set[str]]


class Upwards(Exception):
    """A package imports one that stands above it or beside it."""


def layers() -> list[list[str]]:
    """The packages from top to bottom, as pyproject.toml has them."""
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (rooms,) = [one["layers"] for one in contracts if one["containers"] == ["hil"]]
    return [[name.strip() for name in layer.split("|")] for layer in rooms]


def imports() -> Imports:
    """Which package of hil imports which, by its source."""
    import grimp

    graph = grimp.build_graph("hil", cache_dir=None)
    found: Imports = {name: set() for layer in layers() for name in layer}
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            here, there = (name.split(".")[1] if "." in name else "" for name in (module, other))
            if here and there and here != there:
                found.setdefault(here, set()).add(there)
    return found


def checked(found: Imports, order: list[list[str]]) -> Imports:
    """The same imports. Raises Upwards where one does not point to a lower layer, or a package is in none."""
    level = {name: number for number, layer in enumerate(order) for name in layer}
    for here, others in found.items():
        for there in (here, *sorted(others)):
            if there not in level:
                raise Upwards(f"hil.{there} is in no layer of pyproject.toml")
            if there != here and level[there] <= level[here]:
                raise Upwards(f"hil.{here} imports hil.{there}, which is not below it")
    return found


def shortest(found: Imports) -> Imports:
    """Without the imports that a longer way explains: a -> c goes where there is a -> b -> c."""
    reach: Imports = {}

    def below(name: str) -> set[str]:
        if name not in reach:
            reach[name] = set().union(*({other} | below(other) for other in found.get(name, ())))
        return reach[name]

    return {
        here: {there for there in others if not any(there in below(other) for other in others if other != there)}
        for here, others in found.items()
    }


def rows(found: Imports) -> list[list[str]]:
    """The packages in rows: each one row above the highest that it imports, ordered by what stands under them."""
    height: dict[str, int] = {}

    def high(name: str) -> int:
        if name not in height:
            height[name] = 1 + max((high(other) for other in found.get(name, ())), default=-1)
        return height[name]

    placed: list[list[str]] = [[] for _ in range(1 + max(map(high, found), default=0))]
    for name in found:
        placed[high(name)].append(name)
    for number, row in enumerate(placed):
        centre = {name: (i - (len(below) - 1) / 2) for below in placed[:number] for i, name in enumerate(below)}
        row.sort(key=lambda name: (sum(centre[o] for o in found[name]) / max(1, len(found[name])), name))
    return placed[::-1]


def drawn(found: Imports | None = None, order: list[list[str]] | None = None) -> str:
    """The picture as SVG, without what everything imports (QUIET). Raises Upwards."""
    every = checked(imports() if found is None else found, layers() if order is None else order)
    seen = {name: others - QUIET for name, others in every.items() if name not in QUIET}
    lines = shortest(seen)
    placed = rows(lines)
    width = max(len(row) for row in placed) * (BOX_WIDTH + GAP) + GAP
    at = {
        name: (width / 2 + (i - (len(row) - 1) / 2) * (BOX_WIDTH + GAP), GAP + number * RISE)
        for number, row in enumerate(placed)
        for i, name in enumerate(row)
    }
    title = "Packages of hil, each above those that it imports"
    parts = [
        f'<svg class="rooms" viewBox="0 0 {width} {len(placed) * RISE + GAP}" role="img" aria-label="{title}">',
        f"<title>{title}</title>",
        *(_line(at[here], at[there]) for here, others in lines.items() for there in sorted(others)),
        *(_box(name, *at[name]) for name in at),
        "</svg>",
    ]
    return "\n".join(parts)


def _line(above: tuple[float, float], below: tuple[float, float]) -> str:
    (x, y), (to_x, to_y) = (above[0], above[1] + BOX_HEIGHT), below
    bend = (to_y - y) / 2
    return f'<path d="M{x:.0f} {y:.0f} C{x:.0f} {y + bend:.0f} {to_x:.0f} {to_y - bend:.0f} {to_x:.0f} {to_y:.0f}"/>'


def _box(name: str, x: float, y: float) -> str:
    corner = f'<rect x="{x - BOX_WIDTH / 2:.0f}" y="{y:.0f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="4"/>'
    return f'{corner}<text x="{x:.0f}" y="{y + BOX_HEIGHT / 2 + 4:.0f}">{name}</text>'
