"""Photos to network input: sizes, modes, damage, and the way back."""

import os
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

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


def sixteen_bits(kind: int, channels: int) -> bytes:
    """A PNG of one pixel, 16 bits a channel; kind: its colour type."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    parts = (b"IHDR", struct.pack(">2I5B", 1, 1, 16, kind, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(1 + 2 * channels)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in (*parts, (b"IEND", b"")))


DEEP = {
    "grey.png": sixteen_bits(0, 1), "rgb.png": sixteen_bits(2, 3), "grey_alpha.png": sixteen_bits(4, 2),
    "rgba.png": sixteen_bits(6, 4), "rgb.ppm": b"P6 1 1 65535\n" + bytes(6), "of_1000.ppm": b"P6 1 1 1000\n" + bytes(6),
}  # fmt: skip


@pytest.mark.parametrize("name", DEEP)
def test_files_of_more_than_8_bits_are_refused_though_pillow_would_cut_them(tmp_path, name: str) -> None:
    (tmp_path / name).write_bytes(DEEP[name])
    with pytest.raises(HilError, match="has more than 8 bits a channel"):
        open_photo(tmp_path / name)


def test_16_bits_a_pixel_are_5_or_6_a_channel(tmp_path) -> None:
    head = struct.pack("<2sIII", b"BM", 70, 0, 66) + struct.pack("<IiiHHIIiiII", 40, 1, 1, 1, 16, 3, 4, 0, 0, 0, 0)
    (tmp_path / "a.bmp").write_bytes(head + struct.pack("<3I", 0xF800, 0x7E0, 0x1F) + struct.pack("<HH", 0xF800, 0))
    assert open_photo(tmp_path / "a.bmp").getpixel((0, 0)) == (255, 0, 0)


def test_no_file_starts_another_program(tmp_path, monkeypatch) -> None:
    for program in (tmp_path / "bin" / name for name in ("gs", "gswin64c")):  # Pillow's way to read EPS
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\ntouch {tmp_path / 'started'}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png", "eps")
    with pytest.raises(HilError, match="is a text, not an image"):
        open_photo(tmp_path / "a.png")
    assert not (tmp_path / "started").exists()


def test_a_photo_held_sideways_is_turned(tmp_path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees
    Image.new("L", (4, 2)).save(tmp_path / "a.jpg", exif=exif)
    assert open_photo(tmp_path / "a.jpg").size == (2, 4)


def jpeg(exif: bytes) -> bytes:
    """A JPEG, 4 wide and 2 high, with an EXIF block."""
    image = BytesIO()
    Image.new("L", (4, 2)).save(image, "jpeg", exif=b"Exif\0\0" + exif)
    return image.getvalue()


def entry(kind: int, count: int, value: bytes, tag: int = 0x0112) -> bytes:
    """An EXIF block with one entry, little-endian."""
    return b"II*\0" + struct.pack("<IHHHI", 8, 1, tag, kind, count) + value.ljust(4, b"\0") + bytes(4)


DAMAGED_EXIF = {
    "nothing": b"",
    "no directory": b"II*\0\xff\xff\0\0",
    "cut short": entry(3, 1, b"\x06\0")[:14],
    "a text for the orientation": entry(2, 4, b"abc\0"),
    "a fraction for the orientation": entry(5, 1, struct.pack("<I", 4000)),
    "an orientation that is none": entry(3, 1, b"\x63\0"),
    "an unknown kind": entry(99, 1, b"\x06\0"),
    "an endless count": entry(3, 0xFFFF_FFFF, b"\x06\0"),
    "another tag's value outside": entry(5, 1, struct.pack("<I", 0xFFFF_0000), tag=0x011A),
    "a directory in itself": entry(4, 1, struct.pack("<I", 8), tag=0x8769),
    "another byte order's magic": b"XX*\0\x08\0\0\0",
}


@pytest.mark.parametrize("exif", DAMAGED_EXIF.values(), ids=DAMAGED_EXIF)
def test_a_damaged_exif_block_turns_nothing_and_stops_nothing(exif: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(exif))
    assert open_photo(tmp_path / "a.jpg").size == (4, 2)


def test_whatever_reading_exif_raises_the_photo_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (TypeError("x"), struct.error("x"), ValueError("x"), SyntaxError("x")):

        def fail(_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(Image.Image, "getexif", fail)
        assert to_grey_or_rgb(Image.new("L", (4, 2)), "a.jpg").size == (4, 2)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_is_turned_as_pillow_turns_it(orientation: int, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 32), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
    assert np.array_equal(np.asarray(open_photo(tmp_path / "a.png")), expected)


def test_what_is_no_image_is_told_apart(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)).save(tmp_path / "whole.jpg")
    (tmp_path / "half.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:900])
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "empty.png").touch()
    (tmp_path / "phone.jpg").write_bytes(b"\0\0\0\x24ftypheic\0\0\0\0mif1heic" + bytes(64))
    (tmp_path / "program.png").write_bytes(bytes(range(256)))
    for name, message in {
        "half.jpg": "is damaged .*truncated.*copy it again",
        "text.jpg": "is a text, not an image",
        "empty.png": "is empty",
        "phone.jpg": "is a HEIC image or film: save it as JPEG or PNG",
        "program.png": "is not an image that can be read here",
        "none.jpg": "does not exist",
        ".": "is a folder",
    }.items():
        with pytest.raises(HilError, match=message):
            open_photo(tmp_path / name)


def test_a_large_photo_is_taken_without_a_warning_and_a_huge_one_refused(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder, tmp_path: Path
) -> None:
    """Pillow warns from MAX_IMAGE_PIXELS on and refuses twice as many; a limit of 5000 stands for its 89 million."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    Image.new("L", (90, 100)).save(tmp_path / "large.jpg")
    Image.new("L", (110, 100)).save(tmp_path / "huge.jpg")
    assert open_photo(tmp_path / "large.jpg").size == (90, 100)
    with pytest.raises(HilError, match="huge.jpg is too large"):
        open_photo(tmp_path / "huge.jpg")
    assert not recwarn.list
