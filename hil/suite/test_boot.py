"""The firmware starts and says who it is."""

from __future__ import annotations

import dataclasses

import pytest

from hil.bench.session import Bench
from hil.errors import HilError
from hil.firmware.build import Firmware
from hil.targets.base import Target


def test_hello_names_firmware_model_and_input(hil_bench: Bench, hil_firmware: Firmware) -> None:
    hello, shape = hil_bench.hello, hil_firmware.network.spec.input_shape
    assert hello is not None
    assert (hello.board, hello.build_id) == (hil_firmware.preset, hil_firmware.build_id)
    assert (hello.model_name, hello.model_hash) == (hil_firmware.said_name, hil_firmware.plan["model_hash"])
    assert hello.elf_hash == hil_firmware.elf_hash
    assert (hello.channels, hello.height, hello.width) == shape


def test_hello_comes_again_after_a_reset(hil_bench: Bench) -> None:
    first = hil_bench.hello
    assert first is not None
    hil_bench.target.reset()
    again = hil_bench.client.hello()
    assert again == dataclasses.replace(first, boots=again.boots, reset_cause=again.reset_cause)


@pytest.mark.parametrize("field", ["build_id", "model_hash", "model"])
def test_another_firmware_than_the_one_expected_is_refused(
    hil_firmware: Firmware, hil_target: Target, field: str
) -> None:
    stranger = dataclasses.replace(hil_firmware, plan=hil_firmware.plan | {field: "feedfacefeedface"})
    with pytest.raises(HilError, match="expected feedfacefeedface"):
        Bench(stranger, hil_target).boot()
