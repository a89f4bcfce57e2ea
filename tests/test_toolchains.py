"""Every compiler that can be had builds every kind of kernel without a warning, and none changes a bit."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from compilers import BOARD, lacks, toolchains
from networks import RandomNetwork, images, quantised, randomise
from test_kernels_on_sim import CASES, assert_bit_exact
from torch import nn

from hil import board as boards
from hil import targets
from hil.bench.session import Bench
from hil.compiler import emit, make_plan, run, tensors
from hil.firmware.build import KERNELS, NATIVE, build
from hil.firmware.cmake import compile_preset, find_tools, output_folder
from hil.firmware.toolchain import find_toolchain
from hil.link import Client
from hil.reference.photo import from_array

DISCO = boards.load(BOARD)
by_every_compiler = pytest.mark.parametrize("toolchain", toolchains())
with_both_kernels = pytest.mark.parametrize("kernels", KERNELS)


def compiled(network: nn.Module, folder: Path, preset: str, toolchain: str, kernels: str) -> Path:
    """The folder of a network's firmware, generated in `folder`."""
    graph = quantised(network)
    generated = emit(graph, make_plan(graph, DISCO), DISCO, folder / "generated")
    (folder / "work").mkdir()
    tools = find_tools(preset, toolchain)
    compile_preset(generated, preset, {}, folder / "work", kernels, tools)
    return output_folder(generated, preset, kernels, tools.toolchain.family)


@by_every_compiler
@with_both_kernels
@pytest.mark.parametrize("case", ["drawn", "odd sizes"])
def test_a_small_network_is_bit_equal(case: str, toolchain: str, kernels: str, tmp_path: Path) -> None:
    network = randomise(RandomNetwork(11)) if case == "drawn" else CASES[case]()
    elf = compiled(network, tmp_path, BOARD, toolchain, kernels) / "firmware.elf"
    assert_bit_exact(quantised(network), elf, network)


@by_every_compiler
@with_both_kernels
def test_m4_is_bit_equal_and_says_who_made_it(toolchain: str, kernels: str, tmp_path: Path) -> None:
    firmware = build("rnnpool_face_m4", BOARD, tmp_path / "m4", kernels=kernels, toolchain=toolchain)
    assert firmware.compiler == find_toolchain(toolchain).compiler
    photo = from_array(np.random.default_rng(1).integers(0, 256, (240, 320, 1), np.uint8))
    with Bench(firmware, targets.create("sim", DISCO)) as bench:
        found = bench.run(photo)
    assert found.bit_exact and found.firmware.compiler == str(firmware.compiler)
    assert found.ram.stack_used is not None
    assert found.ram.stack_bound is None or found.ram.stack_used <= found.ram.stack_bound


@by_every_compiler
def test_the_same_bytes_wherever_it_is_built(toolchain: str, tmp_path: Path) -> None:
    images = []
    for place in ("one", "another/and/deeper"):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        images.append((compiled(CASES["tiny"](), folder, BOARD, toolchain, "fast") / "firmware.elf").read_bytes())
    assert images[0] == images[1]


@pytest.mark.parametrize("toolchain", ["gcc", "clang", "zig"])
def test_the_hosts_compilers_give_the_same_bits(toolchain: str, tmp_path: Path) -> None:
    gap = lacks(NATIVE, toolchain)
    if gap:
        pytest.skip(gap)
    network = CASES["tiny"]()
    graph, image = quantised(network), images(network)[0]
    with targets.create(NATIVE, DISCO) as target:
        target.boot(compiled(network, tmp_path, NATIVE, toolchain, "fast") / "firmware")
        result = Client(target).infer(image, digests=True)
    trace = run(graph, image)
    assert result.digests == [zlib.crc32(trace[shown.name].tobytes()) for shown in tensors(graph)]
