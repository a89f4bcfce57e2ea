"""A DMA that stalls and a UART that overruns, on both emulators: each is found, and named for what it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stub_firmware
from board_programs import DISCO

from hil import board as boards
from hil.bench.device_faults import DeviceFaults
from hil.errors import HilError
from hil.link import Client, DeviceFault, LinkTimeout
from hil.targets import create
from hil.targets.base import Target, TargetError, dma_stream
from hil.targets.reported import explain

pytestmark = pytest.mark.xdist_group("renode")
IMAGE = stub_firmware.random_image(1)


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub_firmware.build(DISCO.name, tmp_path_factory.mktemp("stub"))


@pytest.fixture(params=["sim", "renode"])
def target(request: pytest.FixtureRequest, elf: Path) -> Iterator[Target]:
    if request.param == "renode":
        request.getfixturevalue("renode_here")
    with create(request.param, DISCO) as made:
        made.boot(elf)
        yield made


def faults(target: Target) -> DeviceFaults:
    firmware: Any = None  # which bits of memory alone need
    return DeviceFaults(firmware, target)


def test_a_dma_that_no_longer_sends_is_found_by_the_watchdog(target: Target, elf: Path) -> None:
    client = Client(target)
    client.hello()
    faults(target).stall_dma("tx")
    with pytest.raises(DeviceFault) as caught:
        client.infer(IMAGE)
    fault = explain(caught.value, elf)
    assert (fault.kind, fault.symbol) == ("endless loop", "port_send_wait")
    assert client.infer(IMAGE).detections == stub_firmware.expected_boxes(IMAGE)  # the reset mends it


def test_a_dma_that_no_longer_receives_is_a_board_that_does_not_answer(target: Target) -> None:
    client = Client(target)
    client.hello()
    faults(target).stall_dma("rx")
    with pytest.raises(LinkTimeout):
        client.infer(IMAGE)
    target.reset()
    assert client.infer(IMAGE).detections == stub_firmware.expected_boxes(IMAGE)


def test_an_overrun_is_counted_on_both_ends_and_the_image_comes_out_right(target: Target) -> None:
    client = Client(target)
    client.hello()
    faults(target).overrun_uart(3)
    result = client.infer(IMAGE)
    assert result.detections == stub_firmware.expected_boxes(IMAGE)
    assert result.board_damaged >= 1 and client.statistics.retries >= 1


def test_what_is_no_fault_is_refused() -> None:
    with create("sim", DISCO) as target:
        with pytest.raises(HilError, match="goes rx or tx, not 'up'"):
            faults(target).stall_dma("up")  # type: ignore[arg-type]
        with pytest.raises(HilError, match="at least one byte, not 0"):
            faults(target).overrun_uart(0)


def test_a_board_without_dma_has_none_that_could_stall() -> None:
    for name in boards.names():
        board = boards.load(name)
        if board.uart.rx_dma is None:
            with pytest.raises(TargetError, match="has no DMA that could stall"):
                dma_stream(board, "rx")
