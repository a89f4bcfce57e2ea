"""Flame graphs: collapsed stacks as every flame graph tool reads them, and a picture of them as SVG."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from hil.measure.profile import Stack

_WIDTH, _ROW, _TOP, _MARGIN = 1400, 18, 44, 10
_NARROWEST = 0.4  # pixels: what is less is left out
_LETTER = 6.6  # pixels


@dataclass
class _Frame:
    name: str
    cycles: int = 0
    inside: dict[str, _Frame] = field(default_factory=dict)

    def depth(self) -> int:
        return 1 + max((frame.depth() for frame in self.inside.values()), default=0)


def collapsed(stacks: Mapping[Stack, int]) -> str:
    """A line a stack, "main;conv;dot 1234", in order of their names."""
    lines = [f"{';'.join(name.replace(';', ':') for name in stack)} {cycles}" for stack, cycles in stacks.items()]
    return "\n".join(sorted(lines)) + "\n"


def flame_graph(stacks: Mapping[Stack, int], title: str, unit: str = "cycles") -> str:
    """The picture: what is called lies on what calls it, as wide as the cycles spent there; titles give the figures."""
    root = _tree(stacks)
    height = _TOP + _ROW * root.depth() + _MARGIN
    scale = (_WIDTH - 2 * _MARGIN) / max(1, root.cycles)
    boxes = "".join(_boxes(root, _MARGIN, height - _MARGIN - _ROW, scale, root.cycles, unit))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'font-family="monospace" font-size="11">\n<rect width="100%" height="100%" fill="#fffdf8"/>\n'
        f'<text x="{_MARGIN}" y="26" font-size="15">{escape(title)}</text>\n{boxes}</svg>\n'
    )


def _tree(stacks: Mapping[Stack, int]) -> _Frame:
    root = _Frame("all")
    for stack, cycles in stacks.items():
        root.cycles += cycles
        frame = root
        for name in stack:
            frame = frame.inside.setdefault(name, _Frame(name))
            frame.cycles += cycles
    return root


def _boxes(frame: _Frame, x: float, y: float, scale: float, total: int, unit: str) -> Iterator[str]:
    width = frame.cycles * scale
    if width < _NARROWEST:
        return
    share = 100 * frame.cycles / max(1, total)
    cycles = f"{frame.cycles:,}".replace(",", " ")
    said = escape(f"{frame.name}: {cycles} {unit}, {share:.2f} %")
    letters = int((width - 6) / _LETTER)
    shown = frame.name if len(frame.name) <= letters else frame.name[: letters - 1] + "…" if letters > 2 else ""
    yield (
        f'<g><title>{said}</title><rect x="{x:.2f}" y="{y}" width="{max(width - 0.3, 0.3):.2f}" height="{_ROW - 1}" '
        f'rx="1.5" fill="{_colour(frame.name)}"/><text x="{x + 3:.2f}" y="{y + 12}">{escape(shown)}</text></g>\n'
    )
    for inner in sorted(frame.inside.values(), key=lambda one: one.name):
        yield from _boxes(inner, x, y - _ROW, scale, total, unit)
        x += inner.cycles * scale


def _colour(name: str) -> str:
    """A warm colour that stays a name's own from picture to picture."""
    mark = zlib.crc32(name.encode())
    return f"hsl({15 + mark % 40}, {60 + mark // 64 % 25}%, {66 + mark // 4096 % 14}%)"
