"""report.html holds everything a person needs, and nothing from elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import fakes
import numpy as np
import pytest

from hil.bench.classify import Classification
from hil.bench.compare import Divergence
from hil.bench.limits import Measurement
from hil.bench.run import Cycles, FirmwareFacts, ImageFacts, Ram
from hil.report.run_html import render

VOID = {"meta", "image", "rect", "img", "input"}


class _Outline(HTMLParser):
    """Collects tags with their attributes, and complains where they do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag if tag not in VOID else True, tag


def outline(html: str) -> _Outline:
    parser = _Outline()
    parser.feed(html)
    assert parser.open == []
    return parser


def test_it_is_one_file_that_loads_nothing() -> None:
    html = render([fakes.subject()])
    for _, attributes in outline(html).tags:
        for key in ("src", "href"):
            assert (attributes.get(key) or "data:").startswith(("data:", "#"))
    assert "<script" not in html and "@import" not in html and "url(" not in html


def test_the_photo_carries_device_reference_and_float_boxes() -> None:
    tags = outline(render([fakes.subject()])).tags
    classes = [attributes["class"] for tag, attributes in tags if tag == "rect"]
    assert classes.count("box device") == 1 and classes.count("box device weak") == 1
    assert classes.count("box reference") == 1 and classes.count("box float") == 1
    assert classes.count("box reference weak") == 1 and classes.count("box float weak") == 1
    device = next(a for t, a in tags if t == "rect" and a["class"] == "box device")
    assert (device["x"], device["y"], device["width"], device["height"]) == ("100.5", "40.25", "49.5", "54.75")
    assert any(t == "image" and (a["href"] or "").startswith("data:image/png;base64,") for t, a in tags)


def test_layers_cycles_memories_link_and_replay_are_there() -> None:
    html = render([fakes.subject()])
    for layer in fakes.LAYERS:
        assert html.count(f">{layer}<") == 2  # the bar and the table
    assert "41\u202f000\u202f000" in html and "57.7 %" in html
    assert "SRAM" in html and "CCM" in html and "stack in reserve" in html
    assert "80\u202f000 bytes out" in html
    assert "hil run rnnpool_face_m4 &#39;photos/a b.png&#39; --target sim --board stm32f407_disco" in html


def test_the_timing_models_mode_and_the_difference_to_the_other_are_named() -> None:
    cycles = replace(fakes.run().cycles, mode="fast", full_total=72_420_000)
    page = render([fakes.subject(cycles=cycles)])
    assert "(timing-model, fast)" in page
    assert "timing model in full mode: 72.4 M cycles (+2.0 %)" in page


def test_a_failed_limit_and_a_divergence_stand_out() -> None:
    divergence = Divergence("rnnpool", 3, 4, 5, -7, 9, 12, 4800)
    changes = {
        "bit_exact": False,
        "divergence": divergence,
        "measurements": (Measurement("cycles.total", 12, "cycle", 10),),
    }
    html = render([fakes.subject(**changes)])
    assert "✗ failed" in html and "✓ passed" not in html
    assert str(divergence) in html and 'class="divergent"' in html and "120 %" in html


def test_what_a_target_cannot_know_is_a_dash_and_no_zero() -> None:
    changes = {
        "target": "native",
        "cycles": Cycles(None, 168_000_000, None, None, None),
        "ram": Ram(None, 100_000, 99_000, None, None, None, None),
        "firmware": FirmwareFacts("0123456789abcdef", None),
        "measurements": (Measurement("cycles.total", None, "cycle", 10),),
    }
    html = render([fakes.subject(**changes)])
    assert "not measured" in html and "Cycles a layer" not in html and "<h3>Memory</h3>" not in html
    outline(html)


def test_several_images_have_a_table_and_failed_ones_are_open() -> None:
    html = render([fakes.subject(), fakes.subject(bit_exact=False)])
    assert len(re.findall(r"<details id=\"run\d\">", html)) == 1
    assert len(re.findall(r"<details id=\"run\d\" open>", html)) == 1
    outline(html)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>.png", "a&b.png"])
def test_names_are_text_and_never_markup(name: str) -> None:
    html = render([fakes.subject(image=ImageFacts(name, "00" * 32, 320, 240))])
    assert "<script>alert" not in html
    outline(html)


def test_a_classifiers_logits_take_the_place_of_boxes() -> None:
    found = Classification(("no person", "person"), (-3.8125, 3.75), (-3.8125, 3.5), (-3.7, 3.7))
    none = np.zeros((0, 5), np.float32)
    changes = {"classification": found, "detections": none, "reference_detections": none, "float_detections": none}
    html = render([fakes.subject(**changes)])
    for text in ("<b>person</b>", "float model says person", "-3.8125", "3.7000"):
        assert text in html, text
    assert html.count('<tr class="divergent"><td>person</td>') == 1 and "best score" not in html
    both = render([fakes.subject(**changes)] * 2)
    assert "<th>class</th>" in both and "<td>person</td>" in both
    assert "Logits" not in render([fakes.subject()])
