"""Kernels keep to the buffers of their plan, and to the time in which those are theirs."""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
import red_zones
from compilers import needs
from networks import TINY, detector, quantised, small

from hil import board
from hil.bench import drawn
from hil.compiler import integer
from hil.compiler.emit import tensors
from hil.link import Client
from hil.targets import TargetError
from hil.targets.native import NativeTarget

F407 = board.load("stm32f407_disco")
NETWORKS = {"tiny": lambda: detector(TINY), "m4": lambda: small("rnnpool_face_m4", 48, 64)}

pytestmark = [
    needs("native"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs cc with ASan, not zig: apt-get install gcc libc6-dev"),
]


def digests_of(program: Path, pixels: np.ndarray) -> list[int] | None:
    with NativeTarget(F407) as target:
        target.boot(program)
        return Client(target, timeout_s=0.5).infer(pixels, digests=True).digests


@pytest.mark.parametrize("name", NETWORKS)
def test_no_kernel_leaves_its_buffers(name: str, tmp_path: Path) -> None:
    network = NETWORKS[name]()
    graph = quantised(network)
    program = red_zones.build(graph, F407, tmp_path)
    pixels = drawn.draw(network.spec, 1).pixels
    trace = integer.run(graph, pixels)
    expected = [zlib.crc32(np.ascontiguousarray(trace[t.name]).tobytes()) for t in tensors(graph)]
    assert digests_of(program, pixels) == expected


def test_a_row_read_too_far_is_found(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    network = NETWORKS["tiny"]()
    defect = {"ring.c": ("(row % ring->depth) * ring->pitch", "(row % (ring->depth + 1u)) * ring->pitch")}
    program = red_zones.build(quantised(network), F407, tmp_path, defect)
    with pytest.raises(TargetError, match="ended with exit code"):
        digests_of(program, drawn.draw(network.spec, 1).pixels)
    assert "use-after-poison" in capfd.readouterr().err
