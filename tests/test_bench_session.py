"""A bench on the program for this computer: each image is the same device's, and no figure that is none passes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
from compilers import needs

from hil import targets
from hil.bench import judge as judging
from hil.bench.drawn import draw
from hil.bench.layer_path import Apart
from hil.bench.session import Bench
from hil.errors import HilError
from hil.firmware.build import Firmware, build

pytestmark = needs("native")


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    return build("rnnpool_face_m4", "stm32f407_disco", tmp_path_factory.mktemp("native"), preset="native")


@pytest.fixture
def bench(firmware: Firmware) -> Iterator[Bench]:
    with Bench(firmware, targets.create("native", firmware.board)) as found:
        yield found


def test_a_device_that_started_again_between_two_images_is_noticed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = draw(bench.firmware.network.spec, 1)
    assert bench.run(photo).passed and bench.run(photo).passed
    hello = bench.client.hello()
    monkeypatch.setattr(bench.client, "hello", lambda: replace(hello, boots=hello.boots + 1))
    with pytest.raises(HilError, match="has started again since the image before"):
        bench.run(photo)
    bench.boot()
    assert bench.run(photo).passed


def test_another_firmware_that_answers_the_second_image_is_noticed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = draw(bench.firmware.network.spec, 1)
    bench.run(photo)
    hello = bench.client.hello()
    monkeypatch.setattr(bench.client, "hello", lambda: replace(hello, elf_hash="0" * 32))
    with pytest.raises(HilError, match="ELF hash 0000"):
        bench.run(photo)


def test_a_layer_whose_distance_is_no_number_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        judging, "layers_apart", lambda *_: {"near": Apart(0.5, 0.0), "none": Apart(math.nan, math.nan)}
    )
    faults = bench.run(draw(bench.firmware.network.spec, 1)).faults
    assert [fault.name for fault in faults] == ["layers.distance_to_float", "layers.cut_off"]
    assert "none makes something else" in str(faults[0])


def test_an_arena_that_is_hardly_used_is_not_believed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    infer = bench.infer
    monkeypatch.setattr(bench, "infer", lambda *given: replace(infer(*given), arena_used=1))
    assert [fault.name for fault in bench.run(draw(bench.firmware.network.spec, 1)).faults] == ["ram.arena_used"]
