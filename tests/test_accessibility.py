"""What axe-core finds on the pages that the bench writes: nothing serious. The site's own: docs/contributing.md."""

from __future__ import annotations

import io
import json
from pathlib import Path

import compared
import fakes
import pytest
import test_gate_compare
import test_gate_history
import test_scale
from accessibility import AXE, BROWSER, SERIOUS, findings
from PIL import Image

from hil.failure.bundle import Bundle
from hil.gate.difference import compare
from hil.gate.documents import load
from hil.gate.steps import steps
from hil.gate.tolerance import DEFAULTS
from hil.report import bundle_html, comparison, history_html, run_html

pytestmark = pytest.mark.skipif(
    BROWSER is None or not AXE.is_file(),
    reason="needs chromium and axe-core: apt-get install -y chromium && npm install --prefix build axe-core",
)
BROKEN = '<!doctype html><html lang="en"><title>x</title><body><main><h1>x</h1><img src="data:,"></main></body></html>'


def bundle() -> Bundle:
    """A failure's, with everything that its page shows."""
    png = io.BytesIO()
    Image.new("RGB", (32, 24), "grey").save(png, "PNG")
    failure = {"kind": "run", "text": "layer conv0 differs", "test": "test_it"}
    about = {"failure": failure, "target": "sim", "board": "stm32f407_disco", "model": "rnnpool_face_m4"}
    about |= {"preset": "stm32f407_disco", "versions": {"hil": "0"}, "left_out": ["core"], "timing": "fast"}
    state = {"registers": {"pc": 0x0800_1234, "sp": 0x2000_0400}, "cycle": 12_345, "fault": None}
    return Bundle(Path("failure.hil.zip"), about, {
        "image.png": png.getvalue(), "run.json": json.dumps(compared.run()).encode(), "log.txt": b"a line\n",
        "registers.json": json.dumps(state).encode(), "blocks.txt": b"0x08001234 conv_row conv.h:12\n",
    })  # fmt: skip


def test_no_page_has_a_serious_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, head = test_gate_compare.folders(tmp_path)
    pages = {
        "report": run_html.render([fakes.subject(), fakes.subject(bit_exact=False)]),
        "evaluation": test_scale.page(monkeypatch, 30),
        "history": history_html.render(list(steps(test_gate_history.many(30), DEFAULTS)), ["a file is damaged"]),
        "bundle": bundle_html.render(bundle()),
        "comparison": comparison.render(compare(load(base), load(head), DEFAULTS)),
        "broken": BROKEN,
    }
    for name, page in pages.items():
        (tmp_path / f"{name}.html").write_text(page)
    found = [one for one in findings([tmp_path / f"{name}.html" for name in pages]) if one.impact in SERIOUS]
    broken = [one.rule for one in found if "broken" in one.page]
    assert broken == ["image-alt"] * 4, "in two colours and two widths"
    assert [str(one) for one in found if "broken" not in one.page] == []
