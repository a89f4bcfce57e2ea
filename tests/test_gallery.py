"""The gallery shows what `make docs-pictures` makes, and stays small."""

from __future__ import annotations

import importlib.util
import re

from doc_blocks import REPOSITORY
from PIL import Image

IMAGES = REPOSITORY / "docs" / "images"
GALLERY = (REPOSITORY / "docs" / "gallery.md").read_text()
MOST_BYTES = 1_500_000


def test_every_picture_is_shown_and_described() -> None:
    spec = importlib.util.spec_from_file_location("pictures", REPOSITORY / "docs" / "pictures.py")
    assert spec and spec.loader
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    shown = dict((name, words) for words, name in re.findall(r"!\[([^]]+)\]\(images/([\w-]+)\.png\)", GALLERY))
    assert shown.keys() == set(pictures.PICTURES) == {path.stem for path in IMAGES.iterdir()}
    assert all(len(words.split()) > 8 for words in shown.values())


def test_pictures_are_small_and_hold_something() -> None:
    assert sum(path.stat().st_size for path in IMAGES.iterdir()) < MOST_BYTES
    for path in IMAGES.iterdir():
        with Image.open(path) as picture:
            assert len(picture.convert("RGB").getcolors(1 << 24)) > 8, f"{path.name} is empty"
