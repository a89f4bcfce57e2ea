"""The F429 Discovery's SDRAM: when the plan takes it, what the firmware does for it, and what the sim lets pass."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import unicorn
from networks import TINY, detector, images, quantised

from hil import board as boards
from hil import targets
from hil.board import Memory
from hil.compiler import emit, make_plan, run, tensors
from hil.compiler.quantised.graph import QConv
from hil.errors import HilError
from hil.firmware.cmake import compile_preset
from hil.link import Client
from hil.targets.base import TargetError
from hil.targets.image import load
from hil.targets.sim import SimBoard
from hil.targets.sim.peripherals.fmc import BASE as FMC
from hil.targets.sim.peripherals.fmc import SDCMR, SDCR, SDRTR, Fmc
from hil.targets.sim.target import SimTarget
from hil.timing.compiled.engine import Mode
from hil.timing.model import ModelledCycles
from hil.timing.statement import rules

RCC_AHB3ENR = 0x4002_3838
F429 = boards.load("stm32f429_disco")
needs_arm = pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None, reason="needs a compiler: apt-get install gcc-arm-none-eabi"
)
CLOCK, PRECHARGE, REFRESH, MODE = 1 << 3 | 1, 1 << 3 | 2, 1 << 3 | 3 | 7 << 5, 1 << 3 | 4 | 0x230 << 9
CONTROL = 0 | 1 << 2 | 1 << 4 | 1 << 6 | 3 << 7 | 2 << 10
STEPS = [(SDCR, CONTROL), (SDCR + 4, CONTROL), *((SDCMR, c) for c in (CLOCK, PRECHARGE, REFRESH, MODE)),
         (SDRTR, 1292 << 1)]  # fmt: skip


def crowded(sram: int = 22_500, ccm: int = 1_500) -> boards.Board:
    """The F429 with less memory on the chip than a small network needs."""
    less = {"sram1": replace(F429.memory["sram1"], bytes=sram), "ccm": replace(F429.ccm, bytes=ccm)}
    kept = {name: memory for name, memory in F429.memory.items() if name not in ("sram2", "sram3")}
    return replace(F429, memory=kept | less)


def test_a_network_that_fits_the_chip_leaves_the_sdram_alone() -> None:
    plan = make_plan(quantised(detector(TINY)), F429)
    assert "sdram" not in plan.arenas and {b.place for b in plan.buffers} <= {"ccm", "sram"}


def test_what_is_used_least_goes_to_the_sdram() -> None:
    graph = quantised(detector(TINY))
    plan = make_plan(graph, crowded())
    outside = [b for b in plan.buffers if b.place == "sdram"]
    assert any(b.rows for b in outside)
    assert not any(b.name.endswith(("scratch", "states", "sums", "columns", "ring")) for b in outside)
    assert plan.arenas["sdram"] >= max(b.offset + b.bytes for b in outside)
    bare = replace(crowded(), memory={k: v for k, v in crowded().memory.items() if k != "sdram"})
    with pytest.raises(HilError, match="does not fit stm32f429_disco"):
        make_plan(graph, bare)


def fmc() -> tuple[Fmc, list[str]]:
    seen: list[str] = []
    sdram = F429.sdram
    assert sdram is not None
    return Fmc(sdram, lambda: 168_000_000, lambda: seen.append("open"), lambda: seen.append("closed")), seen


def test_the_manuals_order_opens_it_and_a_reset_closes_it() -> None:
    controller, seen = fmc()
    for offset, value in STEPS[:-1]:
        controller.write(offset, value)
    assert seen == ["closed"]
    controller.write(*STEPS[-1])
    assert seen == ["closed", "open"]
    controller.reset()
    assert seen == ["closed", "open", "closed"]


def broken() -> Iterator[tuple[str, list[tuple[int, int]], str]]:
    swapped = STEPS.copy()
    swapped[3], swapped[4] = swapped[4], swapped[3]
    yield "order", swapped, "command 3 where 2 is due"
    yield "geometry", [(o, v & ~(1 << 2) if o == SDCR + 4 else v) for o, v in STEPS], "an SDRAM of 4194304 bytes"
    yield "latency", [(o, v & ~(3 << 7) | 2 << 7 if o == SDCR + 4 else v) for o, v in STEPS], "CAS latency of 3"
    yield "refresh", [*STEPS[:-1], (SDRTR, 2600 << 1)], "refreshed in 126.8 ms"


@pytest.mark.parametrize(("steps", "complaint"), [pytest.param(s, c, id=name) for name, s, c in broken()])
def test_what_an_sdram_would_not_forgive_is_an_error(steps: list[tuple[int, int]], complaint: str) -> None:
    controller, seen = fmc()
    with pytest.raises(TargetError, match=complaint):
        for offset, value in steps:
            controller.write(offset, value)
    assert "open" not in seen


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], tuple[object, Path]]:
    """A small network whose plan needs the SDRAM, built for the real F429."""

    @cache
    def make() -> tuple[object, Path]:
        graph = quantised(detector(TINY))
        plan = make_plan(graph, crowded())
        folder = tmp_path_factory.mktemp("sdram")
        directory = emit(graph, plan, F429, folder / "generated")
        compile_preset(directory, F429.name, {}, _folder(folder / "work"))
        return graph, directory / "out" / F429.name / "firmware.elf"

    return make


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


@needs_arm
@pytest.mark.parametrize("name", ["sim", pytest.param("renode", marks=pytest.mark.xdist_group("renode"))])
def test_the_firmware_brings_it_up_and_its_layers_are_bit_exact(  # type: ignore[type-arg]
    built: Callable[[], tuple], name: str, request: pytest.FixtureRequest
) -> None:
    graph, elf = built()
    image = images(detector(TINY), 1, seed=3)[0]
    trace = run(graph, image)
    if name == "renode":
        request.getfixturevalue("renode_here")
    with targets.create(name, F429) as target:
        target.boot(elf)
        client = Client(target)
        client.hello()
        found = client.infer(image, digests=True)
        expected = [zlib.crc32(np.ascontiguousarray(trace[shown.name]).tobytes()) for shown in tensors(graph)]
        assert found.digests == expected
        sdram = F429.sdram
        assert sdram is not None and any(target.read_memory(sdram.origin, 4096))


@needs_arm
@pytest.mark.parametrize("mode", ["fast", "full"])
def test_its_accesses_cost_what_the_timing_rule_says(built: Callable[[], tuple], mode: Mode) -> None:  # type: ignore[type-arg]
    _, elf = built()
    image = images(detector(TINY), 1, seed=3)[0]

    def cycles(active: frozenset[str]) -> int:
        with SimTarget(F429, model=ModelledCycles(mode, active)) as target:
            target.boot(elf)
            client = Client(target)
            client.hello()
            return client.infer(image).total_cycles or 0

    assert cycles(rules.ALL) > 1.05 * cycles(rules.ALL - {"sdram"})


@needs_arm
def test_a_layer_that_reads_it_is_predicted_to_wait(built: Callable[[], tuple]) -> None:  # type: ignore[type-arg]
    graph, elf = built()
    plan = make_plan(graph, crowded())
    outside = {b.name for b in plan.buffers if b.place == "sdram"}
    reading = [
        layer for layer in graph.layers
        if isinstance(layer, QConv) and layer.is_depthwise and f"{layer.input.name}_rows" in outside
    ]  # fmt: skip
    with SimTarget(F429, model=ModelledCycles("full")) as target:
        target.boot(elf)
        client = Client(target)
        client.hello()
        taken = client.infer(images(detector(TINY), 1, seed=3)[0]).layer_cycles
    spent = dict(zip((layer.name for layer in graph.layers), taken or (), strict=True))
    assert reading and all(abs(plan.cycles[layer.name] / spent[layer.name] - 1) < 0.15 for layer in reading)


@needs_arm
def test_nothing_answers_there_before_start_up_is_through_and_after_a_reset(built: Callable[[], tuple]) -> None:  # type: ignore[type-arg]
    _, elf = built()
    board = SimBoard(F429, load(elf, F429), ModelledCycles())
    bus, uc = board.chip.bus, board.core.uc
    bus.write(RCC_AHB3ENR, 4, 1)
    for offset, value in STEPS:
        with pytest.raises(unicorn.UcError):
            uc.mem_read(0xD000_0000, 4)
        bus.write(FMC + offset, 4, 100 << 1 if offset == SDRTR else value)  # at the 16 MHz that a reset leaves
    uc.mem_write(0xD07F_FFFC, b"last")
    assert board.core.memory.read(0xD07F_FFFC, 4) == b"last"
    board.reset()
    with pytest.raises(unicorn.UcError):
        uc.mem_read(0xD000_0000, 4)


def test_the_f407_has_none() -> None:
    board = boards.load("stm32f407_disco")
    assert board.sdram is None and [m.name for m in board.rams] == ["sram", "ccm"]
    assert F429.sdram == Memory("sdram", 0xD000_0000, 8 << 20, executable=False)
