"""The bench fails when it should: each thing changed on purpose makes the run fail, at the layer that was changed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from skimage import data

from hil import targets
from hil.bench.run import Run
from hil.bench.session import Bench
from hil.firmware.build import NATIVE, Firmware, build
from hil.firmware.cmake import compile_preset
from hil.firmware.programs import MissingToolError
from hil.firmware.stamp import write_hash
from hil.link import LinkError, frames
from hil.link.messages import TILE_HEADER_BYTES, Type
from hil.reference.photo import Photo, fit_image, from_array

Edit = Callable[[str], str]
ROW, COLUMN = 100, 150
PIXEL = ROW * 320 + COLUMN  # the byte of the image that a forged tile changes


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    try:
        return build("rnnpool_face_m4", "stm32f407_disco", tmp_path_factory.mktemp("sound") / "generated", NATIVE)
    except MissingToolError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def photo(firmware: Firmware) -> Photo:
    return from_array(fit_image(Image.fromarray(data.astronaut()), firmware.network.spec))


@pytest.fixture
def mutant(firmware: Firmware, tmp_path: Path) -> Callable[[str, Edit], Firmware]:
    """The firmware with one of its generated sources edited; it still says that it is the one that was built."""

    def make(name: str, edit: Edit) -> Firmware:
        directory = tmp_path / "mutant"
        shutil.copytree(firmware.directory, directory, ignore=shutil.ignore_patterns("out"))
        source = directory / name
        text = source.read_text()
        assert edit(text) != text, f"nothing in {name} was changed"
        source.write_text(edit(text))
        (tmp_path / "work").mkdir()
        compile_preset(directory, NATIVE, firmware.plan, tmp_path / "work")
        elf = directory / firmware.shown_elf.relative_to(firmware.directory)
        write_hash(elf)
        return replace(firmware, elf=elf)

    return make


def run_of(firmware: Firmware, photo: Photo) -> Run:
    with Bench(firmware, targets.create(NATIVE, firmware.board)) as bench:
        return bench.run(photo)


def first_value(array: str, by: int) -> Edit:
    """An edit that changes the first value of a C array."""
    pattern = re.compile(rf"(\b{array}\b[^{{;]*\{{\s*)(-?\d+)")
    return lambda text: pattern.sub(lambda m: f"{m[1]}{_changed(int(m[2]), by)}", text, count=1)


def _changed(value: int, by: int) -> int:
    """The value moved towards zero where it would leave int8, so that the compiler still takes it."""
    return value + by if abs(value + by) <= 127 or abs(value) > 127 else value - by


def test_the_sound_firmware_passes(firmware: Firmware, photo: Photo) -> None:
    run = run_of(firmware, photo)
    assert run.passed and run.divergence is None


@pytest.mark.parametrize("layer", ["conv0", "mob1_project"])
def test_a_changed_weight_is_found_in_its_layer(mutant, photo: Photo, layer: str) -> None:
    run = run_of(mutant("model/weights.c", first_value(f"{layer}_weight", 9)), photo)
    assert not run.passed and not run.bit_exact
    assert run.divergence is not None and run.divergence.layer == layer
    assert run.divergence.device != run.divergence.reference


def test_a_changed_bias_is_found_in_its_layer(mutant, photo: Photo) -> None:
    run = run_of(mutant("model/weights.c", first_value("mob2_expand_bias", 900)), photo)
    assert not run.passed
    assert run.divergence is not None and run.divergence.layer == "mob2_expand"


def test_a_changed_kernel_line_is_found_in_the_first_layer_that_runs_it(mutant, photo: Photo) -> None:
    run = run_of(
        mutant("firmware_src/kernels/elementwise.h", lambda text: text.replace("sum + half", "sum - half")), photo
    )
    assert not run.passed
    assert run.divergence is not None and run.divergence.layer == "mob1_add"


def test_a_changed_line_of_decoding_shows_in_the_boxes_alone(mutant, photo: Photo) -> None:
    run = run_of(mutant("firmware_src/kernels/detect.c", lambda text: text.replace("0.5f", "0.25f", 1)), photo)
    assert not run.passed and run.divergence is None
    assert {m.name: m.value for m in run.measurements}["boxes.differing"] > 0


def test_a_changed_tile_is_found_in_the_image_as_received(firmware: Firmware, photo: Photo) -> None:
    def forge(tile: frames.Frame) -> bytes:
        """A tile with another pixel in it, in a frame whose checksum is right."""
        first = int.from_bytes(tile.payload[2:6], "little")
        here = TILE_HEADER_BYTES + PIXEL - first
        if not TILE_HEADER_BYTES <= here < len(tile.payload):
            return frames.encode(tile)
        payload = tile.payload[:here] + bytes([tile.payload[here] ^ 0x40]) + tile.payload[here + 1 :]
        return frames.encode(replace(tile, payload=payload))

    with Bench(firmware, UnkindLine(targets.create(NATIVE, firmware.board), forge)) as bench:
        run = bench.run(photo)
    assert not run.passed and run.link.retries == 0
    assert run.divergence is not None and run.divergence.layer == "image"
    assert (run.divergence.row, run.divergence.column) == (ROW, COLUMN)


class UnkindLine:
    """A target behind a line that does something to every tile."""

    def __init__(self, target: Any, harm: Callable[[frames.Frame], bytes]) -> None:
        self._target, self._harm, self.tiles = target, harm, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    def write(self, written: bytes) -> None:
        for frame in frames.Decoder().feed(written):
            assert isinstance(frame, frames.Frame), "the client writes whole frames"
            self.tiles += frame.type == Type.TILE
            self._target.write(self._harm(frame) if frame.type == Type.TILE else frames.encode(frame))


def damaged(tile: frames.Frame) -> bytes:
    """The frame with a bit turned over in the middle."""
    wire = bytearray(frames.encode(tile))
    wire[len(wire) // 2] ^= 1 if wire[len(wire) // 2] != 1 else 2
    return bytes(wire)


def test_a_changed_frame_byte_is_repeated_and_counted_and_never_believed(firmware: Firmware, photo: Photo) -> None:
    line: UnkindLine
    with targets.create(NATIVE, firmware.board) as target:
        line = UnkindLine(target, lambda tile: damaged(tile) if line.tiles == 40 else frames.encode(tile))
        bench = Bench(firmware, line)
        bench.boot()
        run = bench.run(photo)
    assert run.bit_exact and run.link.retries >= 1


def test_a_line_that_changes_every_tile_ends_the_run(firmware: Firmware, photo: Photo) -> None:
    with Bench(firmware, UnkindLine(targets.create(NATIVE, firmware.board), damaged)) as bench:
        with pytest.raises(LinkError):
            bench.run(photo)
        assert bench.client.statistics.retries > 0
