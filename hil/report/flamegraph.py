"""Flame graphs: collapsed stacks as every flame graph tool reads them, and a picture of them as SVG."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.sax import saxutils

from hil.measure.profile import Stack
from hil.shown import shown

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
    return _picture(height, title, boxes)


def _picture(height: int, title: str, boxes: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'font-family="monospace" font-size="11">\n<rect width="100%" height="100%" fill="#fffdf8"/>\n'
        f'<text x="{_MARGIN}" y="26" font-size="15">{escape(title)}</text>\n{boxes}</svg>\n'
    )


def differential_flame_graph(base: Mapping[Stack, int], head: Mapping[Stack, int], title: str) -> str:
    """Two profiles in one picture: red where cycles came, blue where they went, the deeper the larger the share.

    A frame is as wide as in the profile in which it took more, so that what vanished is there too.
    """
    before, after = _tree(base), _tree(head)
    widest = max(before.cycles, after.cycles, 1)
    union = _union(before, after)
    height = _TOP + _ROW * union.depth() + _MARGIN
    scale = (_WIDTH - 2 * _MARGIN) / max(1, union.cycles)
    boxes = "".join(_moved_boxes(union, before, after, _MARGIN, height - _MARGIN - _ROW, scale, widest))
    return _picture(height, title, boxes)


def _union(one: _Frame | None, other: _Frame | None) -> _Frame:
    """Every frame of either, as wide as the wider of the two and as what lies on it."""
    frames = [frame for frame in (one, other) if frame is not None]
    names = dict.fromkeys(name for frame in frames for name in frame.inside)
    inside = {n: _union(one and one.inside.get(n), other and other.inside.get(n)) for n in names}
    cycles = max(*(frame.cycles for frame in frames), sum(frame.cycles for frame in inside.values()), 0)
    return _Frame(frames[0].name, cycles, inside)


def _moved_boxes(
    frame: _Frame, one: _Frame | None, other: _Frame | None, x: float, y: float, scale: float, total: int
) -> Iterator[str]:
    before, after = (side.cycles if side else 0 for side in (one, other))
    width, change = frame.cycles * scale, after - before
    if width < _NARROWEST:
        return
    percent = f", {100 * change / before:+.1f} %" if before else ", new"
    figures = f"{before:,} to {after:,} cycles ({change:+,}{percent})".replace(",", " ").replace("  ", ", ")
    yield _box(frame.name, f"{frame.name}: {figures}", x, y, width, _heat(change / total))
    for name in sorted(frame.inside):
        inner = frame.inside[name]
        yield from _moved_boxes(
            inner, one and one.inside.get(name), other and other.inside.get(name), x, y - _ROW, scale, total
        )
        x += inner.cycles * scale


def _heat(share: float) -> str:
    """Red for more, blue for fewer, grey for the same; a hundredth of all cycles is deep already."""
    if not share:
        return "hsl(0, 0%, 88%)"
    depth = min(1.0, (abs(share) * 100) ** 0.5)
    return f"hsl({5 if share > 0 else 215}, 80%, {92 - 34 * depth:.0f}%)"


def _tree(stacks: Mapping[Stack, int]) -> _Frame:
    root = _Frame("all")
    for stack, cycles in stacks.items():
        root.cycles += cycles
        frame = root
        for name in stack:
            frame = frame.inside.setdefault(name, _Frame(name))
            frame.cycles += cycles
    return root


def escape(text: str) -> str:
    """Text as XML; what does not print of it as an escape."""
    return saxutils.escape(shown(text))


def _boxes(frame: _Frame, x: float, y: float, scale: float, total: int, unit: str) -> Iterator[str]:
    width = frame.cycles * scale
    if width < _NARROWEST:
        return
    share = 100 * frame.cycles / max(1, total)
    cycles = f"{frame.cycles:,}".replace(",", " ")
    said = f"{frame.name}: {cycles} {unit}, {share:.2f} %"
    yield _box(frame.name, said, x, y, width, _colour(frame.name))
    for inner in sorted(frame.inside.values(), key=lambda one: one.name):
        yield from _boxes(inner, x, y - _ROW, scale, total, unit)
        x += inner.cycles * scale


def _box(name: str, said: str, x: float, y: float, width: float, colour: str) -> str:
    """A frame of the picture, with as much of its name as there is room for."""
    letters = int((width - 6) / _LETTER)
    label = name if len(name) <= letters else name[: letters - 1] + "…" if letters > 2 else ""
    return (
        f'<g><title>{escape(said)}</title><rect x="{x:.2f}" y="{y}" width="{max(width - 0.3, 0.3):.2f}" '
        f'height="{_ROW - 1}" rx="1.5" fill="{colour}"/><text x="{x + 3:.2f}" y="{y + 12}">{escape(label)}</text></g>\n'
    )


def _colour(name: str) -> str:
    """A warm colour that stays a name's own from picture to picture."""
    mark = zlib.crc32(name.encode("utf-8", "surrogatepass"))
    return f"hsl({15 + mark % 40}, {60 + mark // 64 % 25}%, {66 + mark // 4096 % 14}%)"
