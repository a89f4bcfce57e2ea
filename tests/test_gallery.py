"""The gallery shows what `make docs-pictures` makes, and stays small."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

from doc_blocks import REPOSITORY
from PIL import Image

IMAGES = REPOSITORY / "docs" / "images"
GALLERY = (REPOSITORY / "docs" / "gallery.md").read_text()
MOST_BYTES = 1_500_000


def script(name: str) -> ModuleType:
    """A script of docs/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "docs" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def span(name: str, begin: float, length: float) -> dict[str, object]:
    return {"ph": "X", "tid": 1, "name": name, "ts": begin, "dur": length}


def test_every_picture_is_shown_and_described() -> None:
    pictures = script("pictures")
    shown = dict((name, words) for words, name in re.findall(r"!\[([^]]+)\]\(images/([\w-]+)\.png\)", GALLERY))
    assert shown.keys() == set(pictures.PICTURES) == {path.stem for path in IMAGES.iterdir()}
    assert all(len(words.split()) > 8 for words in shown.values())


def test_pictures_are_small_and_hold_something() -> None:
    assert sum(path.stat().st_size for path in IMAGES.iterdir()) < MOST_BYTES
    for path in IMAGES.iterdir():
        with Image.open(path) as picture:
            assert len(picture.convert("RGB").getcolors(1 << 24)) > 8, f"{path.name} is empty"


def test_a_call_lies_under_the_one_around_it() -> None:
    calls = [span("a", 0, 10), span("b", 1, 4), span("c", 2, 1), span("d", 5, 5), span("e", 10, 1)]
    assert script("tracks").nested(calls) == [0, 1, 2, 1, 0]


def test_tracks_are_drawn_from_a_moment_on(tmp_path: Path) -> None:
    name = {"ph": "M", "tid": 1, "name": "thread_name", "args": {"name": "functions"}}
    level = {"ph": "C", "name": "RAM in use, sram", "ts": 0, "args": {"bytes": 1024}}
    events = [name, span("early", 0, 500), span("main", 1000, 9000), span("row", 2000, 3000), level]
    script("tracks").draw(events, tmp_path / "tracks.png", 1.0)
    with Image.open(tmp_path / "tracks.png") as picture:
        assert picture.width == 1400 and len(picture.convert("RGB").getcolors(1 << 24)) > 8
