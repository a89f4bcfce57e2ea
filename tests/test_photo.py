"""Image files: what is taken, what is fitted, what is refused and how."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hil.errors import HilError
from hil.reference.networks import SPECS
from hil.reference.photo import fit_image, from_array, load_photo

GREY, COLOUR = SPECS["rnnpool_face_m4"], SPECS["rnnpool_face_quant"]
BORDER = 117  # the input mean, rounded


def saved(path: Path, mode: str = "L", size: tuple[int, int] = (320, 240), **options) -> Path:
    values = np.random.default_rng(1).integers(0, 256, (size[1], size[0], len(Image.new(mode, (1, 1)).getbands())))
    pixels = values.astype(np.uint8)
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels, mode).save(path, **options)
    return path


def test_an_image_of_the_right_size_and_mode_is_sent_as_it_is(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png")
    photo = load_photo(path, GREY)
    assert np.array_equal(photo.pixels[:, :, 0], np.asarray(Image.open(path)))
    assert photo.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert not photo.fitted


@pytest.mark.parametrize(
    ("mode", "size", "shape", "message"),
    [
        ("L", (640, 480), GREY, r"is 640x480, rnnpool_face_m4 takes 320x240: resize it or pass --fit"),
        ("RGB", (320, 240), GREY, r"has mode RGB, rnnpool_face_m4 takes L \(8-bit grey\): convert it or pass --fit"),
        ("L", (640, 480), COLOUR, r"has mode L, rnnpool_face_quant takes RGB"),
    ],
)
def test_wrong_size_and_mode_are_refused_and_fitted_on_request(tmp_path, mode, size, shape, message) -> None:
    path = saved(tmp_path / "a.png", mode, size)
    with pytest.raises(HilError, match=message):
        load_photo(path, shape)
    assert load_photo(path, shape, fit=True).pixels.transpose(2, 0, 1).shape == shape.input_shape


def test_a_missing_file_a_text_and_a_truncated_image_are_told_apart(tmp_path: Path) -> None:
    text = tmp_path / "notes.jpg"
    text.write_text("no image")
    cut = saved(tmp_path / "cut.jpg", quality=90)
    cut.write_bytes(cut.read_bytes()[:3000])
    for path, message in (
        (tmp_path / "none.png", "does not exist"),
        (tmp_path, "is a folder: name an image file in it"),
        (text, "is a text, not an image"),
        (cut, "is damaged .*truncated"),
    ):
        with pytest.raises(HilError, match=message):
            load_photo(path, GREY, fit=True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs mkfifo()")
def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "photo.png")
    with pytest.raises(HilError, match="photo.png is a device or a pipe: name an image file"):
        load_photo(tmp_path / "photo.png", GREY)


@pytest.mark.parametrize("size", [(512, 512), (100, 700), (1, 1), (3000, 2)])
def test_fitting_keeps_proportions_and_centres(size: tuple[int, int]) -> None:
    fitted = fit_image(Image.new("L", size, 255), GREY)[:, :, 0]
    rows, columns = np.where(fitted == 255)
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert (height == 240 or width == 320) and set(np.unique(fitted)) <= {255, BORDER}
    assert abs(width * size[1] - height * size[0]) <= max(size)  # half a pixel of rounding
    assert abs(rows.min() - (239 - rows.max())) <= 1 and abs(columns.min() - (319 - columns.max())) <= 1


def test_16_bit_grey_is_refused_and_not_clipped(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    Image.fromarray(np.full((240, 320), 40_000, np.uint16)).save(path)
    with pytest.raises(HilError, match="more than 8 bits a channel .*: convert it"):
        load_photo(path, GREY, fit=True)


def test_a_photo_taken_upright_stays_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees to see it upright
    path = saved(tmp_path / "turned.jpg", size=(240, 320), exif=exif)
    assert load_photo(path, GREY).pixels.shape == (240, 320, 1)


def test_pixels_that_are_no_image_are_refused() -> None:
    with pytest.raises(HilError, match="expected uint8"):
        from_array(np.zeros((240, 320), np.float32))
