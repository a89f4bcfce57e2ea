"""What the line does to frames changes no result; it is repeated, and counted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from hil.bench.device_faults import DeviceFaults
from hil.bench.run import Run
from hil.bench.session import Bench
from hil.firmware.build import Firmware
from hil.reference.photo import Photo
from hil.targets.base import Target

LONG = 64  # bytes from which on a write is a tile and not a request


class UnkindLine:
    """A target behind a line that mistreats one frame in `every` that carry a tile, in one of the ways of HARM."""

    def __init__(self, target: Target, harm: str, every: int = 40) -> None:
        self._target, self._harm, self._every = target, HARM[harm], every
        self._tiles = 0
        self._held: list[bytes] = []
        self.harmed = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    def write(self, data: bytes) -> None:
        frames = [data]
        if len(data) >= LONG:
            self._tiles += 1
            if self._tiles % self._every == self._every // 2:
                self.harmed += 1
                frames = self._harm(data)
        for frame in [*frames, *self._held]:
            self._target.write(frame)
        self._held = [data] if not frames else []


def _damage(frame: bytes) -> list[bytes]:
    middle = len(frame) // 2
    return [frame[:middle] + bytes([frame[middle] ^ 0x10 or 0x20]) + frame[middle + 1 :]]


MOST_RUNS = 20
HARM: dict[str, Callable[[bytes], list[bytes]]] = {
    "damaged": _damage,
    "cut short": lambda frame: [frame[: len(frame) // 3]],
    "doubled": lambda frame: [frame, frame],
    "late": lambda frame: [],  # sent after its successor
    "after garbage": lambda frame: [b"\x55\xaa" * 9, frame],
}


@pytest.mark.parametrize("harm", HARM)
def test_a_frame_mistreated_on_its_way_changes_no_result(
    hil_firmware: Firmware, hil_target: Target, load: Callable[[str], Photo], harm: str
) -> None:
    line = UnkindLine(hil_target, harm)
    bench = Bench(hil_firmware, line)
    bench.boot()
    runs: list[Run] = []
    while line.harmed < 2 and len(runs) < MOST_RUNS:  # a small image is few frames
        runs.append(bench.run(load("astronaut")))
        assert runs[-1].bit_exact, runs[-1].divergence
    assert line.harmed >= 2
    if harm in ("damaged", "cut short", "after garbage"):
        assert any(run.link.retries >= 1 for run in runs)


class DeafLine(UnkindLine):
    """A target whose bytes come back damaged now and then."""

    def read(self, timeout_s: float) -> bytes:
        data: bytes = self._target.read(timeout_s)
        self._tiles += len(data) > 0
        if len(data) and self._tiles % self._every == self._every // 2:
            self.harmed += 1
            return data[:-1] + bytes([data[-1] ^ 0x08])
        return data

    def write(self, data: bytes) -> None:
        self._target.write(data)


def test_answers_that_arrive_damaged_are_asked_for_again(
    hil_firmware: Firmware, hil_target: Target, load: Callable[[str], Photo]
) -> None:
    line = DeafLine(hil_target, "damaged", every=12)
    bench = Bench(hil_firmware, line)
    bench.boot()
    runs = 0
    while line.harmed < 2 and runs < MOST_RUNS:
        assert bench.run(load("astronaut")).bit_exact
        runs += 1
    assert line.harmed >= 2
    assert bench.client.statistics.damaged >= 1


def test_an_undisturbed_line_repeats_nothing(hil_bench: Bench, load: Callable[[str], Photo]) -> None:
    counts = hil_bench.client.statistics
    before = dataclasses.replace(counts)  # such as a frame that the reset at the beginning cut short
    run = hil_bench.run(load("astronaut"))
    assert counts.damaged == before.damaged
    is_virtual = hil_bench.target.capabilities.virtual_time  # by a wall's clock a silence may be this computer's
    assert run.link.retries <= (0 if is_virtual else counts.timeouts - before.timeouts)
    assert run.link.bytes_out > load("astronaut").pixels.size


def test_bytes_that_the_uart_loses_are_counted_and_the_result_is_right(
    hil_bench: Bench, hil_faults: DeviceFaults, load: Callable[[str], Photo]
) -> None:
    if not hil_bench.target.capabilities.breaks_peripherals:
        pytest.skip(f"target {hil_bench.target.name} breaks no peripherals: use --hil-target sim or renode")
    hil_faults.overrun_uart(8)  # the first may be what stands between two frames, which is not missed
    run = hil_bench.run(load("coins"))
    assert run.bit_exact and run.link.retries >= 1
