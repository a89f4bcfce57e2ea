"""Bits that change in the simulated board's memory: each is found, by the check that is there for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from stub_firmware import need

from hil.bench.bit_flips import BitFlips
from hil.bench.session import Bench
from hil.board import load
from hil.errors import HilError
from hil.firmware.build import Firmware, build
from hil.reference.photo import Photo, from_array
from hil.targets import create

pytestmark = pytest.mark.xdist_group("bit flips")


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    need("arm-none-eabi-gcc", "cmake", "ninja")
    return build("rnnpool_face_m4", "stm32f407_disco", tmp_path_factory.mktemp("m4"))


@pytest.fixture
def bench(firmware: Firmware, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """On the sim, or where the test's parameter says."""
    name = getattr(request, "param", "sim")
    if name == "renode":
        request.getfixturevalue("renode_here")
    with create(name, load("stm32f407_disco")) as target:
        bench = Bench(firmware, target, {})
        bench.boot()
        yield bench


@pytest.fixture
def flips(bench: Bench) -> BitFlips:
    return BitFlips(bench.firmware, bench.target)


@pytest.fixture
def photo() -> Photo:
    return from_array(np.random.default_rng(4).integers(0, 256, (240, 320, 1), np.uint8))


def test_a_weight_that_changes_is_named_by_its_layer(bench: Bench, flips: BitFlips, photo: Photo) -> None:
    flips.flip_bit("mob0_expand_weight", 6, function="model_begin")
    assert not flips.have_happened
    run = bench.run(photo)
    assert flips.have_happened and not run.bit_exact and not run.passed
    assert run.divergence is not None and run.divergence.layer == "mob0_expand"


@pytest.mark.parametrize(
    ("place", "function", "call", "layer"),
    [("rnnpool_row_ring+101", "rnnpool_step", 40, "rnnpool"), ("head1_rows+31", "boxes1_step", 3, "boxes1")],
)
def test_what_changes_once_is_named_too(place, function, call, layer, bench: Bench, flips: BitFlips, photo) -> None:
    """The second time, when the layer is looked into, it is as it should be."""
    flips.flip_bit(place, 6, function=function, call=call)
    with pytest.raises(HilError, match=rf"^{layer}\S* differed .* agrees when it is run again"):
        bench.run(photo)
    assert flips.have_happened


@pytest.mark.parametrize(
    "bench", ["sim", pytest.param("renode", marks=pytest.mark.xdist_group("renode"))], indirect=True
)
def test_a_bit_changes_before_the_instruction_that_is_named(bench: Bench, flips: BitFlips, photo: Photo) -> None:
    """The third of a function."""
    code, offset = bench.target.read_memory(flips.instruction("model_begin"), 8), 0
    for _ in range(2):
        offset += 4 if code[offset + 1] >> 3 in (0x1D, 0x1E, 0x1F) else 2
    flips.flip_bit("mob0_expand_weight", 6, function=f"model_begin+{offset:#x}")
    run = bench.run(photo)
    assert flips.have_happened and run.divergence is not None and run.divergence.layer == "mob0_expand"


def test_a_box_that_changes_behind_the_network_is_seen(bench: Bench, flips: BitFlips, photo: Photo) -> None:
    flips.flip_bit("detections+2", 5, function="port_stack_used")  # of the best box's left edge
    run = bench.run(photo)
    assert run.divergence is None and not run.bit_exact
    assert next(m for m in run.measurements if m.name == "boxes.differing").value == 1


@pytest.mark.parametrize(
    ("place", "bit", "function", "call", "message"),
    [
        ("nothing+1", 0, "main", 1, "neither a buffer nor a symbol nothing"),
        ("image_rows+99999", 0, "main", 1, r"the buffer has \d+ bytes"),
        ("image_rows-1", 0, "main", 1, "is no place: write BUFFER"),
        ("image_rows", 8, "main", 1, "a byte has bits 0 to 7"),
        ("image_rows", 0, "main", 0, "calls count from 1"),
        ("image_rows", 0, "nowhere", 1, "no function nowhere"),
        ("image_rows", 0, "main-2", 1, "no function main-2"),
        ("image_rows", 0, "main+0xffff", 1, r"main\+0xffff: the function has \d+ bytes"),
        ("image_rows", 0, "main+1", 1, r"main\+1 is in the middle of an instruction"),
        ("conv0_weight+99999999", 0, "main", 1, "has no memory there"),
    ],
)
def test_what_cannot_change_is_said(place, bit, function, call, message, flips: BitFlips) -> None:
    with pytest.raises(HilError, match=message):
        flips.flip_bit(place, bit, function=function, call=call)


def test_a_target_whose_memory_is_out_of_reach_is_named(firmware: Firmware, tmp_path: Path) -> None:
    with create("native", load("stm32f407_disco")) as target, pytest.raises(HilError, match="use target sim or renode"):
        BitFlips(firmware, target)
