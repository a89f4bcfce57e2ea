"""The integer reference against plain statements of the same arithmetic, and against the float network."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import floor, isqrt, sqrt

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import TINY, Classifier, ClassifierSpec, detector, images, quantised, randomise, tied
from torch import nn

from hil.compiler import integer, run
from hil.compiler.quantised import graph as q
from hil.compiler.reading.calibrate import run_float
from hil.compiler.reading.trace import trace
from hil.errors import HilError
from hil.reference.blocks import ConvBnRelu6, L2Norm
from hil.reference.fastgrnn import FastGrnn

int32 = st.integers(-(2**31), 2**31 - 1)


@given(int32, int32)
def test_requantise_rounds_half_up(acc: int, multiplier: int) -> None:
    exact = floor(Fraction(acc * multiplier, 2**32) + Fraction(1, 2))
    assert int(integer.requantise(np.int64(acc), multiplier, 0)) == exact


@given(st.integers(1, 2**31 - 1))
def test_inverse_square_root_as_the_kernel_does_it(n: int) -> None:
    exponent = (32 - n.bit_length()) // 2
    expected = ((1 << 30) // isqrt(n << 2 * exponent)) << exponent >> 4
    found = int(integer.inverse_sqrt(np.array([n]))[0])
    assert found == expected
    assert found == pytest.approx(2**26 / sqrt(n), rel=2**-13, abs=1)


def test_the_inverse_square_root_of_nothing_is_nothing() -> None:
    assert integer.inverse_sqrt(np.array([0]))[0] == 0


def _pool(network: nn.Module) -> tuple[q.QPool, np.ndarray]:
    graph = quantised(network)
    layer = next(layer for layer in graph.layers if isinstance(layer, q.QPool))
    return layer, run(graph, images(network, 1, seed=5)[0])[layer.input.name]


@pytest.mark.parametrize("is_tied", [False, True])
def test_shared_sweeps_equal_algorithm_1_window_by_window(is_tied: bool) -> None:
    network = detector(TINY, 1)
    layer, x = _pool(tied(network) if is_tied else network)
    assert layer.cell1.is_tied == layer.cell2.is_tied == is_tied
    pooled = integer.apply(layer, [x])
    down, across = layer.windows
    for j in range(down):
        for i in range(across):
            y0, x0 = j * layer.stride, i * layer.stride
            window = x[y0 : y0 + layer.patch, x0 : x0 + layer.patch]
            np.testing.assert_array_equal(pooled[j, i], _algorithm_1(layer, window))
    np.testing.assert_array_equal(pooled[-1], pooled[-2])
    np.testing.assert_array_equal(pooled[:, -1], pooled[:, -2])


def _algorithm_1(layer: q.QPool, window: np.ndarray) -> np.ndarray:
    """One window with no sharing at all, in plain integers."""

    def project(cell: q.QCell, x: np.ndarray) -> np.ndarray:
        return np.clip((x.astype(np.int64) @ cell.w.astype(np.int64) + cell.offset) >> cell.w_shift, -32768, 32767)

    def sweep(cell: q.QCell, sequence: list[np.ndarray]) -> np.ndarray:
        h = np.zeros(cell.hidden, np.int64)
        for x in sequence:
            pre = project(cell, x) * 2**cell.u_shift + h @ cell.u.astype(np.int64)
            if cell.is_tied:
                z, v = cell.gates[np.clip(pre >> cell.u_shift + 6, -256, 255) + 256].T.astype(np.int64)
                h = (z * h + z + v * 65536) >> 15
                continue
            z, g = cell.gates[np.clip(pre >> cell.u_shift + 6, -256, 255) + 256].T.astype(np.int64)
            c = cell.tanh[np.clip((pre + cell.update_offset) >> cell.u_shift + 4, -512, 511) + 512].astype(np.int64)
            h = (z * h + g * c) >> 14
        return h

    n = layer.patch
    rows = [sweep(layer.cell1, list(window[k])) for k in range(n)]
    columns = [sweep(layer.cell1, list(window[:, k])) for k in range(n)]
    states = [sweep(layer.cell2, s) for s in (rows, rows[::-1], columns, columns[::-1])]
    return np.clip((np.concatenate(states) + 128) >> 8, -128, 127)


@pytest.mark.parametrize("network", [detector(TINY, 3), randomise(Classifier()), randomise(Classifier("quant"))])
def test_integers_follow_the_float_network(network: object) -> None:
    graph = quantised(network)
    floats = trace(network)
    image = images(network, 1, seed=7)[0]
    real, made = run_float(floats, image), run(graph, image)
    for layer in graph.layers:
        expected = real[layer.name].permute(1, 2, 0).numpy()
        if isinstance(layer, q.QConv) and layer.gate is not None:
            expected[~integer.passes(layer.gate, made[layer.name]), : layer.gate.scores] = 0
        error = expected - made[layer.name] * np.asarray(layer.output.scale)
        assert (error**2).mean() < 0.02 * (expected**2).mean(), layer.name


def test_a_tied_cell_follows_the_float_one_and_never_saturates() -> None:
    layer, x = _pool(tied(detector(TINY, 2)))
    cell = layer.cell1
    z, v = cell.gates.astype(np.int64).T
    assert (2 * np.abs(v) + z).max() < 2**15 and z.min() >= 0
    assert cell.tanh.size == cell.update_offset.size == 0
    rng = np.random.default_rng(0)
    wx, before = rng.integers(-32768, 32768, (2, 500, cell.hidden))
    states = integer.step(cell, wx, before)
    assert states.min() >= -32768 and states.max() <= 32767


def test_biases_that_are_nearly_tied_are_not() -> None:
    network = tied(detector(TINY, 2))
    next(m for m in network.modules() if isinstance(m, FastGrnn)).bias_update.data[0] += 1e-3
    layer, _ = _pool(network)
    assert not layer.cell1.is_tied and layer.cell2.is_tied


def test_offsets_are_0_where_no_score_passes() -> None:
    network = detector(TINY, 3)
    graph = quantised(network)
    made = run(graph, images(network, 1, seed=7)[0])
    gated = [layer for layer in graph.layers if isinstance(layer, q.QConv) and layer.gate is not None]
    assert gated
    for layer in gated:
        is_there = integer.passes(layer.gate, made[layer.name])
        assert layer.least_macs * layer.output.channels == layer.macs * (layer.output.channels - layer.gate.scores)
        assert not is_there.all() and not made[layer.name][~is_there, : layer.gate.scores].any()
        ungated = integer.conv(replace(layer, gate=None), made[layer.input.name])
        np.testing.assert_array_equal(made[layer.name][is_there], ungated[is_there])
        np.testing.assert_array_equal(made[layer.name][..., layer.gate.scores :], ungated[..., layer.gate.scores :])


def test_relu6_saturates_at_six() -> None:
    network = randomise(Classifier())
    graph = quantised(network)
    for layer in graph.layers:
        if layer.output.dtype == "uint8":
            assert layer.output.scale[0] * 255 <= 6.0


def test_a_wrong_image_is_refused() -> None:
    graph = quantised(detector(TINY))
    with pytest.raises(HilError, match="tiny takes uint8"):
        run(graph, np.zeros((41, 56, 1), np.uint8))
    with pytest.raises(HilError, match="float64"):
        run(graph, np.zeros((40, 56, 1)))


def test_the_hash_covers_every_weight() -> None:
    graph = quantised(detector(TINY))
    before = graph.hash
    graph.layers[0].weight[0, 0, 0, 0] ^= 1
    assert graph.hash != before


class OnTheImage(nn.Module):
    """A layer that reads the image itself and does not know where its zero is."""

    def __init__(self, is_norm: bool) -> None:
        super().__init__()
        self.spec = ClassifierSpec("on_the_image", (3, 8, 8))
        self.conv, self.norm, self.is_norm = ConvBnRelu6(3, 3, 3), L2Norm(3, 8), is_norm
        self.linear = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(x) if self.is_norm else self.conv(x) + x
        return self.linear(y.mean([2, 3]))


@pytest.mark.parametrize("is_norm", [True, False])
def test_a_norm_or_a_sum_of_the_image_itself_is_refused(is_norm: bool) -> None:
    with pytest.raises(HilError, match="reads image itself, whose zero is not 0: put a convolution in between"):
        quantised(OnTheImage(is_norm).eval())
