"""Every layer the compiler knows, drawn by lot: the integer reference follows the float network, C the reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn import KINDS, DrawnNetwork
from networks import images, quantised, randomise
from test_compiler_c import Program, needs_gcc

from hil.compiler import run
from hil.compiler.reading.calibrate import run_float
from hil.compiler.reading.trace import trace

CASES = {kind: lambda i=i, kind=kind: DrawnNetwork(100 + i, kind) for i, kind in enumerate(KINDS)}
CASES |= {f"drawn {seed}": lambda seed=seed: DrawnNetwork(seed) for seed in range(12)}


@pytest.mark.parametrize("case", CASES)
def test_integers_follow_the_float_network(case: str) -> None:
    network = randomise(CASES[case]())
    floats, graph = trace(network), quantised(network)
    image = images(network, 1, seed=7)[0]
    real, made = run_float(floats, image), run(graph, image)
    for layer in graph.layers:
        expected = real[layer.name].permute(1, 2, 0).numpy()
        assert made[layer.name].shape == expected.shape, layer.name
        error = expected - made[layer.name] * np.asarray(layer.output.scale)
        assert (error**2).mean() < 0.04 * (expected**2).mean() + 1e-4, layer.name


@needs_gcc
@pytest.mark.parametrize("case", CASES)
def test_every_layer_is_bit_equal_in_portable_c(case: str, tmp_path: Path) -> None:
    network = randomise(CASES[case]())
    graph = quantised(network)
    program = Program(graph, tmp_path)
    extremes = [np.full_like(images(network)[0], value) for value in (0, 255)]
    for image in [*images(network, 2, seed=9), *extremes]:
        trace_, (made, _) = run(graph, image), program.run(image)
        for layer in graph.layers:
            np.testing.assert_array_equal(made[layer.name], trace_[layer.name], err_msg=layer.name)
