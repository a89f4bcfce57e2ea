"""The renode target, where Renode is: results, time, memory and boards as on the sim."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from board_programs import DISCO, program
from stub_firmware import build, expected_boxes, expected_tap, random_image
from test_board_description import MINE

from hil import board
from hil.link import Client
from hil.suite.interrupted import depth
from hil.targets import TargetError, create
from hil.targets.base import Observed, Target
from hil.targets.symbols import symbols

# xdist_group: one process starts Renode, not each
pytestmark = [pytest.mark.xdist_group("renode"), pytest.mark.usefixtures("renode_here")]


@pytest.fixture
def target(stub_on_renode: Target) -> Target:
    return stub_on_renode


def seen(target: Target) -> Observed:
    observed = target.observed()
    assert observed is not None
    return observed


def test_an_image_gives_what_it_should_and_the_sim_gives(target: Target, stub_board: tuple[str, Path]) -> None:
    image, table = random_image(3), symbols(stub_board[1])
    results, depths = [], []
    with create("sim", target.board) as sim:
        sim.boot(stub_board[1])
        for device in (target, sim):
            client = Client(device)
            tapped = client.infer(image, tap=1)
            assert tapped.tap is not None and np.array_equal(tapped.tap, expected_tap(image, 1))
            results.append(client.infer(image, digests=True))
            depths.append(depth(device, table, results[-1].stack_used or 0))
    assert [tuple(box) for box in results[0].detections] == expected_boxes(image)
    timeless = [replace(r, layer_cycles=None, decode_cycles=None, total_cycles=None, stack_used=None) for r in results]
    assert timeless[0] == timeless[1]  # boxes, digests, and the watermarks of heap and arena
    # so small a network's stack is deepest in the link, where an interrupt comes on one of the two: its frame with the
    # FPU's registers and what its handler pushes, 112 bytes, on a program that is elsewhere less deep
    shallow, deep = sorted(depths, key=lambda stack: stack.used)
    assert deep.least <= shallow.used <= deep.used


def test_hello_says_which_board_and_time_is_virtual(target: Target) -> None:
    hello = Client(target).hello()
    assert hello.board == target.board.name
    assert hello.chip_id & 0xFFF == target.board.device_id
    before = seen(target).seconds or 0
    assert target.read(0.5) == b""
    assert (seen(target).seconds or 0) - before == pytest.approx(0.5, abs=0.001)


@pytest.mark.parametrize("name", sorted({*board.names()} - {"stm32f407_disco", "stm32f429_disco"}))
def test_every_other_board_starts(name: str, tmp_path: Path) -> None:
    """With CCM and without, with one bank of SRAM and with more."""
    elf, image = build(name, tmp_path / "build"), random_image(6)
    with create("renode", board.load(name), kept=tmp_path / "kept") as renode:
        renode.boot(elf)
        assert Client(renode).infer(image).detections == expected_boxes(image)


def test_a_board_without_dma_takes_each_byte_by_an_interrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "board.toml").write_text(MINE.replace('rx_pin = "PC7"', 'rx_pin = "PC7"\ndma = false'))
    monkeypatch.setenv("HIL_BOARDS", str(tmp_path))
    elf, image = build("mine", tmp_path / "build"), random_image(7)
    with create("renode", board.load("mine"), kept=tmp_path / "kept") as renode:
        renode.boot(elf)
        assert Client(renode).infer(image).detections == expected_boxes(image)


def test_the_same_run_takes_the_same_time_again(target: Target, stub_board: tuple[str, Path]) -> None:
    observed = []
    for _ in range(2):
        target.boot(stub_board[1])
        Client(target).infer(random_image(4))
        observed.append(seen(target))
    assert observed[0] == observed[1]


def test_through_the_uart_bytes_take_the_lines_time(target: Target, stub_board: tuple[str, Path]) -> None:
    image = random_image(5)
    with create("renode", target.board, uart=True) as line:
        line.boot(stub_board[1])
        client = Client(line)
        client.hello()
        start, sent = seen(line).seconds or 0, client.statistics.bytes_out
        result = client.infer(image)
        carried = (client.statistics.bytes_out - sent) * 10 / line.board.uart.baud
        assert (seen(line).seconds or 0) - start >= carried
    assert [tuple(box) for box in result.detections] == expected_boxes(image)


def test_reset_keeps_memory_and_starts_again(target: Target) -> None:
    client = Client(target)
    assert client.hello().boots == 1
    target.reset()
    assert client.hello().boots == 2


def test_memory_is_read_and_bounded(target: Target, stub_board: tuple[str, Path]) -> None:
    vector = int.from_bytes(target.read_memory(target.board.flash.origin, 4), "little")
    assert vector == symbols(stub_board[1]).address("_stack_top")
    with pytest.raises(TargetError, match="no memory there"):
        target.read_memory(target.board.sram.origin + target.board.sram.bytes - 2, 4)


def test_two_boards_run_side_by_side_and_know_nothing_of_each_other(
    target: Target, stub_board: tuple[str, Path]
) -> None:
    assert Client(target).hello().boots == 1
    with create("renode", target.board) as other:
        other.boot(stub_board[1])
        target.reset()
        assert (Client(other).hello().boots, Client(target).hello().boots) == (1, 2)


def test_code_without_interrupts_takes_the_same_instructions_as_on_the_sim() -> None:
    counts = []
    for name in ("renode", "sim"):
        with create(name, DISCO) as target:
            target.boot(program("count"))
            assert target.read(10) == b"!"
            target.read(0.01)  # it sleeps
            counts.append(seen(target).instructions or 0)
    assert counts[0] > 1_000_000
    assert abs(counts[0] - counts[1]) <= 0.001 * counts[1]
