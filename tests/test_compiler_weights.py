"""Constants as the kernels read them: depthwise ones channel by channel, a norm's gains in 16 bits if they fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from networks import TINY, detector, quantised

from hil.compiler import graph as q
from hil.compiler.loops import is_channelwise
from hil.compiler.weights import channelwise, constants

GRAPH = quantised(detector(TINY))


def test_a_channels_constants_stand_together() -> None:
    layer = next(x for x in GRAPH.layers if isinstance(x, q.QConv) and is_channelwise(x))
    found = channelwise(layer)
    assert found.shape == (layer.output.channels, 7)
    taps = np.ascontiguousarray(found[:, :5]).view(np.int16)
    np.testing.assert_array_equal(taps[:, :6].reshape(-1, 3, 2), layer.weight[:, :2].transpose(0, 2, 1))
    np.testing.assert_array_equal(taps[:, 6:9], layer.weight[:, 2])
    assert not taps[:, 9].any()
    np.testing.assert_array_equal(found[:, 5], layer.bias)
    np.testing.assert_array_equal(found[:, 6], layer.multiplier)


@pytest.mark.parametrize(("gain", "dtype"), [(32767, np.int16), (-32767, np.int16), (32768, np.int32)])
def test_gains_have_16_bits_where_they_fit(gain: int, dtype: type) -> None:
    layer = next(x for x in GRAPH.layers if isinstance(x, q.QNorm))
    changed = replace(layer, gain=np.full_like(layer.gain, gain))
    (constant,) = constants(replace(GRAPH, layers=(changed,)))
    assert constant.values.dtype == dtype and (constant.values == gain).all()
