"""Photos to network input: sizes, modes, damage, and the way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hil.errors import HilError
from hil.reference.image import letterbox, network_input, open_photo, to_grey_or_rgb
from hil.reference.networks import SPECS

M4, RGB = SPECS["rnnpool_face_m4"], SPECS["rnnpool_face_c"]


def test_a_photo_of_the_right_size_is_taken_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (240, 320), np.uint8)
    found, placement = network_input(Image.fromarray(pixels), M4)
    assert np.array_equal(found, pixels[None])
    boxes = np.array([[1, 2, 3, 4, 0.5]], np.float32)
    assert np.array_equal(placement.to_photo(boxes), boxes)


def test_colour_goes_in_as_planes_of_red_green_blue() -> None:
    found, _ = network_input(Image.new("RGB", (640, 480), (1, 2, 3)), RGB)
    assert found.shape == (3, 480, 640)
    assert found[:, 0, 0].tolist() == [1, 2, 3]


def test_another_size_is_refused_by_name_unless_fitted() -> None:
    photo = Image.new("L", (640, 480))
    with pytest.raises(HilError, match="a.jpg is 640x480, rnnpool_face_m4 takes 320x240: resize it or pass --fit"):
        network_input(photo, M4, name="a.jpg")
    assert network_input(photo, M4, is_fitted=True)[0].shape == (1, 240, 320)


def test_a_letterbox_is_centred_and_padded_with_the_mean() -> None:
    found, placement = letterbox(np.full((1, 100, 100), 200, np.uint8), M4)
    assert (placement.left, placement.top, placement.x_scale) == (40, 0, 2.4)
    assert (found[0, :, 40:280] == 200).all()
    assert (found[0, :, :40] == 117).all() and (found[0, :, 280:] == 117).all()


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_boxes_find_their_way_back(width: int, height: int) -> None:
    _, placement = letterbox(np.zeros((1, height, width), np.uint8), M4)
    corner = np.array([[0, 0, width, height, 0.9]], np.float32)
    inside = placement.to_input(corner)
    assert (inside[0, :2] >= -1e-3).all() and inside[0, 2] <= 320.001 and inside[0, 3] <= 240.001
    np.testing.assert_allclose(placement.to_photo(inside), corner, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, ("L", 255)),
        ("L", 90, ("L", 90)),
        ("P", 0, ("RGB", (0, 0, 0))),
        ("CMYK", (0, 255, 255, 0), ("RGB", (255, 0, 0))),
        ("RGBA", (200, 100, 50, 128), ("RGB", (100, 50, 25))),
        ("LA", (200, 0), ("RGB", (0, 0, 0))),
        ("YCbCr", (128, 128, 128), ("RGB", (128, 128, 128))),
    ],
)
def test_odd_modes_are_converted(mode: str, colour, expected: tuple) -> None:
    found = to_grey_or_rgb(Image.new(mode, (2, 2), colour), "photo")
    assert found.mode == expected[0]
    assert np.allclose(found.getpixel((0, 0)), expected[1], atol=1)


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_more_than_8_bits_are_refused(mode: str) -> None:
    with pytest.raises(HilError, match=f"deep.png has more than 8 bits a channel .mode {mode}.*convert"):
        to_grey_or_rgb(Image.new(mode, (2, 2)), "deep.png")


def test_a_photo_held_sideways_is_turned(tmp_path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees
    Image.new("L", (4, 2)).save(tmp_path / "a.jpg", exif=exif)
    assert open_photo(tmp_path / "a.jpg").size == (2, 4)


def test_damaged_and_missing_files_are_refused(tmp_path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)).save(tmp_path / "whole.jpg")
    (tmp_path / "half.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:900])
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "empty.png").touch()
    for name in ("half.jpg", "text.jpg", "empty.png"):
        with pytest.raises(HilError, match=f"{name} is not an image or is damaged"):
            open_photo(tmp_path / name)
    with pytest.raises(HilError, match="none.jpg does not exist"):
        open_photo(tmp_path / "none.jpg")
    with pytest.raises(HilError, match="damaged"):
        open_photo(tmp_path)
