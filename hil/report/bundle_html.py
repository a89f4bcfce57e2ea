"""The page of a failure's bundle, in one file without anything from elsewhere."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from hil.bench.read_back import Run
from hil.failure.bundle import Bundle
from hil.files import write_text
from hil.reading import typed
from hil.report.pages import template
from hil.report.terminal import figure

_SHOWN_BLOCKS = 1000


def write_bundle_page(bundle: Bundle, path: Path) -> None:
    """Write the page; the file is there as a whole or not at all."""
    write_text(path, render(bundle))


def render(bundle: Bundle) -> str:
    """The page as HTML."""
    found = bundle.json("run.json")
    run = None if found is None else typed(found, Run, "run.json")  # its fields are there, or None
    state = bundle.json("registers.json") or {"registers": {}, "cycle": None, "fault": None}
    page = template("bundle.html.j2", figure=figure)
    return page.render(
        bundle=bundle, about=bundle.about, failure=bundle.failure, state=state,
        registers=_registers(state["registers"]), measurements=run.measurements if run else [],
        pictures={name: _uri(bundle.members[name]) for name in ("image.png", "tile.png") if name in bundle.members},
        blocks=bundle.text("blocks.txt").splitlines()[-_SHOWN_BLOCKS:][::-1], log=bundle.text("log.txt"),
        sizes={name: len(content) for name, content in bundle.members.items()},
    )  # fmt: skip


def _registers(found: dict[str, int]) -> list[tuple[str, str]]:
    """Those of the core; of the FPU's only the ones that hold something."""
    return [(n, f"{v:#010x}") for n, v in found.items() if v or not (n[0] == "s" and n[1:].isdecimal())]


def _uri(png: bytes) -> Any:
    return "data:image/png;base64," + base64.b64encode(png).decode()
