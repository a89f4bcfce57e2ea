"""Constants as the kernels read them: depthwise ones channel by channel, a norm's gains in 16 bits if they fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from networks import TINY, detector, quantised

from hil.compiler.kernels.loops import conv_loop, is_bounded, is_channelwise, streamed_taps
from hil.compiler.kernels.memory import conv_chunk
from hil.compiler.kernels.weights import channelwise, collected, constants, folded_shift
from hil.compiler.quantised import graph as q

GRAPH = quantised(detector(TINY))


@pytest.mark.parametrize(("shift", "bias", "folded"), [(0, 7, 0), (3, -7, 3), (9, 7, 0), (2, 1 << 29, 0)])
def test_a_channels_constants_stand_together_and_are_shifted_where_they_fit(shift: int, bias: int, folded: int) -> None:
    found = next(x for x in GRAPH.layers if isinstance(x, q.QConv) and is_channelwise(x))
    layer = replace(found, shift=shift, bias=np.full_like(found.bias, bias))
    assert folded_shift(layer) == folded
    each = channelwise(layer)
    assert each.shape == (layer.output.channels, 7)
    taps, weight = np.ascontiguousarray(each[:, :5]).view(np.int16), layer.weight.astype(np.int16) << folded
    np.testing.assert_array_equal(taps[:, :6].reshape(-1, 3, 2), weight[:, :2].transpose(0, 2, 1))
    np.testing.assert_array_equal(taps[:, 6:9], weight[:, 2])
    assert not taps[:, 9].any()
    np.testing.assert_array_equal(each[:, 5], layer.bias << folded)
    np.testing.assert_array_equal(each[:, 6], layer.multiplier)


def test_collected_weights_are_fours_of_each_row_then_what_is_left_of_all() -> None:
    layer = _conv(3, 8, 3)
    taps = collected(layer)
    assert taps.shape == (8, 28) and streamed_taps(layer) == 28 and conv_loop(layer, 8) == "CONV_COLLECTED"
    rows = layer.weight.reshape(8, 3, 9)
    np.testing.assert_array_equal(taps[:, :24], rows[..., :8].reshape(8, 24))
    np.testing.assert_array_equal(taps[:, 24:27], rows[..., 8])
    assert not taps[:, 27].any()


@pytest.mark.parametrize(
    ("channels", "outputs", "kernel", "dtype", "loop"),
    [
        (32, 64, 1, "uint8", "CONV_STREAMED"), (32, 28, 1, "int8", "CONV_FOURS"), (64, 64, 1, "int8", "CONV_FOURS"),
        (64, 64, 1, "int16", "CONV_PAIRS"), (64, 66, 1, "int8", "CONV_PAIRS"), (8, 8, 3, "uint8", "CONV_FOURS"),
        (8, 4, 3, "int16", "CONV_FOURS"), (12, 8, 3, "uint8", "CONV_PAIRS"), (8, 6, 3, "uint8", "CONV_PAIRS"),
        (1, 4, 3, "uint8", "CONV_NARROW"), (3, 8, 3, "uint8", "CONV_COLLECTED"), (3, 8, 5, "uint8", "CONV_PLAIN"),
    ],
)  # fmt: skip
def test_each_shape_has_its_loop(channels: int, outputs: int, kernel: int, dtype: q.Dtype, loop: str) -> None:
    layer = _conv(channels, outputs, kernel, dtype)
    assert conv_loop(layer, conv_chunk(layer, [layer.output.width], 8192)) == loop


def test_two_outputs_are_packed_only_where_no_input_can_take_a_sum_out_of_16_bits() -> None:
    layer = _conv(32, 64, 1)
    least = replace(layer, weight=np.full_like(layer.weight, -127), multiplier=np.full_like(layer.multiplier, 1 << 20))
    assert is_bounded(least)
    sums = 32 * 127 * 255 / 2**32
    assert is_bounded(replace(least, multiplier=np.full_like(layer.multiplier, int(32760 / sums))))
    assert not is_bounded(replace(least, multiplier=np.full_like(layer.multiplier, int(32800 / sums))))
    assert not is_bounded(replace(least, shift=15))


def _conv(channels: int, outputs: int, kernel: int, dtype: q.Dtype = "uint8") -> q.QConv:
    source = q.Tensor("in", 10, 12, channels, "uint8", (1.0,))
    made = q.Tensor("out", 10, 12, outputs, dtype, (1.0,))
    weight = np.random.default_rng(0).integers(-127, 128, (outputs, kernel, kernel, channels), np.int8)
    zeros, ones = np.zeros(outputs, np.int32), np.full(outputs, 1 << 20, np.int32)
    return q.QConv(source, made, weight, zeros, ones, 0, 1, kernel // 2, False)


@pytest.mark.parametrize(("gain", "dtype"), [(32767, np.int16), (-32767, np.int16), (32768, np.int32)])
def test_gains_have_16_bits_where_they_fit(gain: int, dtype: type) -> None:
    layer = next(x for x in GRAPH.layers if isinstance(x, q.QNorm))
    changed = replace(layer, gain=np.full_like(layer.gain, gain))
    (constant,) = constants(replace(GRAPH, layers=(changed,)))
    assert constant.values.dtype == dtype and (constant.values == gain).all()
