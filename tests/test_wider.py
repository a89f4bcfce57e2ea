"""WIDER FACE's annotations as people's editors and tools leave them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hil.errors import HilError
from hil.reference.image import open_photo
from hil.training.photos import open_photos
from hil.training.wider import read_annotations

TEXT = """\
a/1.jpg
1
10 20 30 40 0 0 0 0 0 0
b/2.jpg
0
0 0 0 0 0 0 0 0 0 0
c/3.jpg
2
1 2 3 4 0 0 0 1 0 0
5 6 7 8 0 0 0 0 0 0
"""


def written(folder: Path, content: bytes) -> Path:
    path = folder / "wider_face_split" / "wider_face_train_bbx_gt.txt"
    path.parent.mkdir()
    path.write_bytes(content)
    return folder


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("b/2.jpg", "\nb/2.jpg").encode(),
        ("\n" + TEXT.replace("\n", "\n \n") + "\n\n").encode(),
    ],
    ids=["plain", "BOM", "CRLF", "a blank line", "blank lines everywhere"],
)
def test_every_photo_is_read(tmp_path: Path, content: bytes) -> None:
    found = read_annotations(written(tmp_path, content), "train")
    assert [annotation.name for annotation in found] == ["a/1.jpg", "b/2.jpg", "c/3.jpg"]
    assert [len(annotation.boxes) for annotation in found] == [1, 0, 2]
    assert np.array_equal(found[0].boxes, [[10, 20, 40, 60]]) and found[2].is_valid.tolist() == [False, True]


def test_names_in_utf_8_are_kept(tmp_path: Path) -> None:
    found = read_annotations(written(tmp_path, TEXT.replace("b/2", "b/zwölf").encode()), "train")
    assert found[1].name == "b/zwölf.jpg"


def test_another_encoding_is_refused_with_the_line(tmp_path: Path) -> None:
    content = TEXT.replace("b/2", "b/zwölf").encode("latin-1")
    with pytest.raises(HilError, match=r"bbx_gt.txt:4: byte 0xf6 is not UTF-8"):
        read_annotations(written(tmp_path, content), "train")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (TEXT.replace("c/3.jpg\n2", "c/3.jpg\ntwo"), 7),
        (TEXT.replace("c/3.jpg\n2", "c/3.jpg\n3"), 7),
        (TEXT.replace("1 2 3 4 0 0 0 1 0 0", "1 2 3 x 0 0 0 1 0 0"), 7),
        ("\n\n" + TEXT.replace("a/1.jpg\n1", "a/1.jpg\n"), 3),
    ],
)
def test_a_malformed_entry_is_refused_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(HilError, match=rf"bbx_gt.txt:{line}: expected a count"):
        read_annotations(written(tmp_path, text.encode()), "train")


@pytest.mark.parametrize("is_mono", [True, False])
def test_photos_are_learnt_from_as_they_are_evaluated(tmp_path: Path, is_mono: bool) -> None:
    """Upright, as their EXIF data says."""
    written(tmp_path, b"a/1.jpg\n1\n1 1 2 2 0 0 0 0 0 0\n")
    path = tmp_path / "WIDER_train" / "images" / "a" / "1.jpg"
    path.parent.mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(path, exif=exif)
    photo = open_photos([tmp_path], "train", is_mono).photo(0)
    assert photo.shape[:2] == (40, 20) == open_photo(path).size[::-1]
