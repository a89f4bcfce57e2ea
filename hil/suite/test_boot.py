"""The firmware starts and says who it is."""

from __future__ import annotations

import dataclasses

import pytest

from hil.bench.session import Bench
from hil.errors import HilError
from hil.firmware.build import Firmware
from hil.targets.base import Target


def test_hello_names_firmware_model_and_input(bench: Bench, firmware: Firmware) -> None:
    hello, shape = bench.hello, firmware.network.spec.input_shape
    assert hello is not None
    assert (hello.board, hello.build_id) == (firmware.preset, firmware.build_id)
    assert (hello.model_name, hello.model_hash) == (firmware.plan["model"], firmware.plan["model_hash"])
    assert (hello.channels, hello.height, hello.width) == shape


def test_hello_comes_again_after_a_reset(bench: Bench) -> None:
    first = bench.hello
    assert first is not None
    bench.target.reset()
    again = bench.client.hello()
    assert again == dataclasses.replace(first, boots=again.boots, reset_cause=again.reset_cause)


@pytest.mark.parametrize("field", ["build_id", "model_hash", "model"])
def test_another_firmware_than_the_one_expected_is_refused(firmware: Firmware, target: Target, field: str) -> None:
    stranger = dataclasses.replace(firmware, plan=firmware.plan | {field: "feedfacefeedface"})
    with pytest.raises(HilError, match="expected feedfacefeedface"):
        Bench(stranger, target).boot()
