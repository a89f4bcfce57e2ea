"""Collapsed stacks and their picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from hil.measure.profile import merged
from hil.report.flamegraph import collapsed, flame_graph

STACKS = {("main", "conv"): 600, ("main", "conv", "dot<a&b>"): 300, ("main",): 100}
SVG = "{http://www.w3.org/2000/svg}"


def boxes() -> dict[str, tuple[float, float, float]]:
    """x, y and width of each frame, by what its title begins with."""
    root = ET.fromstring(flame_graph(STACKS, "M4 <1>"))
    found = {}
    for group in root.iter(f"{SVG}g"):
        title, rect = group.find(f"{SVG}title"), group.find(f"{SVG}rect")
        assert title is not None and title.text and rect is not None
        found[title.text.split(":")[0]] = tuple(float(rect.attrib[key]) for key in ("x", "y", "width"))
    return found  # type: ignore[return-value]


def test_a_line_a_stack() -> None:
    assert collapsed(STACKS) == "main 100\nmain;conv 600\nmain;conv;dot<a&b> 300\n"


def test_frames_are_as_wide_as_their_cycles_and_lie_on_their_callers() -> None:
    found = boxes()
    assert set(found) == {"all", "main", "conv", "dot<a&b>"}
    assert found["conv"][2] / found["main"][2] == pytest.approx(0.9, abs=0.002)
    assert found["dot<a&b>"][2] / found["main"][2] == pytest.approx(0.3, abs=0.002)
    assert found["all"][1] > found["main"][1] > found["conv"][1] > found["dot<a&b>"][1]
    assert found["conv"][0] >= found["main"][0]


def test_titles_say_cycles_and_share() -> None:
    assert "conv: 900 cycles, 90.00 %" in flame_graph(STACKS, "M4")


def test_equal_stacks_are_added_up() -> None:
    assert merged(iter([(("a",), 1), (("a",), 2), (("b",), 3)])) == {("a",): 3, ("b",): 3}
