"""The firmware of the boards on the simulated one: start-up, DMA, the link at line rate, reports of crashes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lossy import LossyLine, Noise
from stub_firmware import expected_boxes, expected_tap, random_image

from hil.link import Client, DeviceFault
from hil.link.messages import Provoke
from hil.targets.base import Target
from hil.targets.reported import explain
from hil.targets.sim.core import words as at
from hil.targets.sim.peripherals.bus import Bus
from hil.targets.sim.peripherals.dwt import Dwt
from hil.targets.sim.peripherals.patience import Patience
from hil.targets.sim.target import SimTarget
from hil.timing.compiled import blockhook as hook


@pytest.fixture
def target(stub_on_sim: SimTarget) -> SimTarget:
    return stub_on_sim


def seconds(target: Target) -> float:
    observed = target.observed()
    assert observed is not None and observed.seconds is not None
    return observed.seconds


def test_hello_says_which_board(target: Target) -> None:
    hello = Client(target).hello()
    assert hello.board == target.board.name
    assert hello.chip_id & 0xFFF == target.board.device_id
    assert (hello.clock_hz, hello.baud) == (target.board.clock_hz, target.board.uart.baud)


def test_image_taps_and_marks(target: Target) -> None:
    image = random_image(1)
    client = Client(target)
    result = client.infer(image, tap=1)
    assert result.detections == expected_boxes(image)
    assert result.tap is not None and np.array_equal(result.tap, expected_tap(image, 1))
    assert result.total_cycles and result.layer_cycles
    assert 0 < sum(result.layer_cycles) < result.total_cycles
    assert result.heap_used == 0
    assert (client.statistics.retries, client.statistics.damaged, result.board_damaged) == (0, 0, 0)


def test_sums_of_cycles_pass_two_to_the_32(target: SimTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    """The counter has 32 bits and wraps; what is added up of it does not. Here it runs thousands of times as fast."""
    client, image = Client(target), random_image(5)
    usual = client.infer(image)
    assert usual.layer_cycles and usual.total_cycles
    times = 2**34 // max(usual.layer_cycles)
    count = Dwt._count
    monkeypatch.setattr(Dwt, "_mirror", lambda self: None)
    target.sim.core.words[hook.COUNTS] = False  # have Python asked for each reading
    monkeypatch.setattr(Dwt, "_count", lambda self, now: times * (now - (self._started or 0)) & 0xFFFF_FFFF)
    fast = client.infer(image)
    monkeypatch.setattr(Dwt, "_count", count)
    assert fast.layer_cycles and max(fast.layer_cycles) > 2**33
    assert fast.layer_cycles == [times * cycles for cycles in usual.layer_cycles]
    assert fast.total_cycles == times * usual.total_cycles


def test_painted_stack_agrees_with_what_the_simulator_saw(target: Target) -> None:
    client = Client(target)
    client.infer(random_image(1))
    painted = client.infer(random_image(2)).stack_used
    observed = target.observed()
    assert observed is not None and observed.stack_used is not None and painted is not None
    assert observed.stack_used - 8 <= painted <= observed.stack_used


def test_cycles_do_not_depend_on_the_link(target: Target) -> None:
    noise = Noise(damaged_byte=0.001)
    image = random_image(3)
    quiet = Client(target).infer(image)
    noisy = Client(LossyLine(target, noise, noise, seed=1)).infer(image)
    assert noisy.board_damaged > 0
    assert noisy.layer_cycles == quiet.layer_cycles


def test_an_image_arrives_at_80_percent_of_the_line_rate_and_more(target: Target) -> None:
    client = Client(target)
    client.hello()
    image = random_image(4)
    arrivals: list[tuple[int, float]] = []
    client.infer(image, progress=lambda done, total: arrivals.append((done, seconds(target))))
    # From the first bytes that the board has taken to the last: what stands between is the line and the network.
    (first, first_s), (last, last_s) = arrivals[0], next(a for a in arrivals if a[0] == image.size)
    bytes_per_s = (last - first) / (last_s - first_s)
    assert bytes_per_s >= 0.8 * target.board.uart.baud / 10  # start bit, eight bits, stop bit


def test_exceptions_cost_the_same_whoever_takes_them(target: SimTarget) -> None:
    """Native code takes those that nobody watches, Python the others."""
    client, image = Client(target), random_image(6)
    client.infer(image)
    seen: list[tuple[int, bool]] = []
    spent = []
    for is_watched in (False, True):
        nvic = target.sim.chip.nvic
        nvic.on_active = (lambda exception, begins: seen.append((exception, begins))) if is_watched else None
        target.reset()
        client = Client(target)
        client.hello()
        before = target.observed()
        client.infer(image)
        after = target.observed()
        spent.append((after.cycles - before.cycles, after.instructions - before.instructions, after.stack_used))
    assert spent[0] == spent[1]
    assert len(seen) > 20 and len([begins for _, begins in seen if begins]) * 2 == len(seen)


def test_registers_say_the_same_whoever_answers(target: SimTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    """Native code or Python: an image takes the same cycles, and no byte comes at another time."""
    asked = 0
    use, read, write = Patience.use, Bus.read, Bus.write

    def count(access: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            nonlocal asked
            asked += 1
            return access(*arguments)

        return counted

    def have_python_asked(self: Patience, address: int) -> int:
        served = use(self, address)
        self._words[at.SERVED] = self._begun = at.MOST_SERVED
        return served

    def infer() -> tuple[int, int, int, Any]:
        nonlocal asked
        target.boot(target.sim.image.path)
        words = target.sim.core.words
        asked = 0
        result = Client(target).infer(random_image(3))
        return asked, words[hook.CYCLES], words[hook.INSTRUCTIONS], result

    monkeypatch.setattr(Bus, "read", count(read))
    monkeypatch.setattr(Bus, "write", count(write))
    seldom, *native = infer()
    monkeypatch.setattr(Patience, "use", have_python_asked)
    always, *python = infer()
    assert native == python
    assert 2 * seldom < always


def test_a_silence_lasts_as_long_as_it_should(target: SimTarget) -> None:
    Client(target).hello()
    for timeout_s in (0.05, 0.05, 0.4):
        begin = target.now_s()
        assert target.read(timeout_s) == b""
        assert target.now_s() - begin == pytest.approx(timeout_s, abs=1e-5)


def test_no_byte_is_dropped_while_the_board_computes(target: Target) -> None:
    client = Client(target)
    for seed in range(3):
        result = client.infer(random_image(seed))
    assert (result.board_overruns, result.board_damaged) == (0, 0)


@pytest.mark.parametrize("kind", list(Provoke), ids=lambda kind: kind.name.lower())
def test_crashes_name_the_function_and_the_board_works_again(
    target: Target, stub_board: tuple[str, Path], kind: Provoke
) -> None:
    with pytest.raises(DeviceFault) as caught:
        Client(target).provoke(kind)
    fault = explain(caught.value, stub_board[1])
    assert fault.symbol == kind.name.lower()
    assert fault.line is not None and fault.line.startswith("provoke.c:")
    image = random_image(5)
    assert Client(target).infer(image).detections == expected_boxes(image)


def test_a_report_that_the_line_lost_is_kept_over_the_reset(target: Target) -> None:
    client = Client(target)
    client.hello()
    lost = LossyLine(target, Noise(), Noise(lost_frame=0.7), seed=3)
    with pytest.raises(DeviceFault, match="division by zero"):
        Client(lost, retries=100).provoke("divide_by_zero")


def test_starts_are_counted_from_power_on_whatever_ram_held_then(target: Target) -> None:
    """The simulated RAM holds noise at power-on, as a chip's does."""
    client = Client(target)
    hello = client.hello()
    assert (hello.boots, hello.reset_cause & 0x08) == (1, 0x08)
    target.reset()
    hello = client.hello()
    assert (hello.boots, hello.reset_cause & 0x08) == (2, 0)


def test_a_reset_by_request_loses_no_byte_and_repeats_nothing(target: SimTarget) -> None:
    client = Client(target)
    boots = client.hello().boots
    client.reset()
    assert client.hello().boots == boots + 1
    assert target.sim.usart.bytes_lost == 0
    assert (client.statistics.retries, client.statistics.timeouts) == (0, 0)


def test_a_crash_costs_no_byte_of_what_is_said_next(target: SimTarget) -> None:
    client = Client(target)
    with pytest.raises(DeviceFault):
        client.provoke("null_call")
    client.hello()
    assert target.sim.usart.bytes_lost == 0
