"""Which inner loop of firmware_src/kernels a convolution has, by the shapes that each takes."""

from __future__ import annotations

import numpy as np

from hil.compiler.quantised import graph as q

ENCODABLE = 4096  # the first distance that no offset of an instruction holds
NARROW_WORDS = 6  # that conv_narrow multiplies without a loop: what fits the instruction cache
FOURS_WORDS = 16  # of a kernel row that conv_fours multiplies without a loop: what fits the instruction cache
STREAMED_TAPS = 32  # at most (CONV_STREAMED_TAPS): two pixels of them fill the FPU's registers
STREAMED_OUTPUTS = 32  # at least: what setting out on two pixels costs has to pay


def conv_loop(conv: q.QConv, chunk: int) -> str:
    """conv_loop_t of kernels/conv_layer.h. chunk: of conv_chunk, 0 where the shape is none for those loops."""
    if not chunk:
        return "CONV_NARROW" if is_narrow(conv) else "CONV_PLAIN"
    if is_collected(conv):
        return "CONV_COLLECTED"
    return "CONV_STREAMED" if is_streamed(conv) else "CONV_FOURS" if is_by_four(conv) else "CONV_PAIRS"


def is_encodable(conv: q.QConv) -> bool:
    """Whether conv_pairs' distances fit its instructions: from pixel to pixel of input and output, over all weights."""
    step = conv.kernel if is_gathered(conv) else conv.stride
    weights = 6 * conv.kernel**2 * conv.input.channels
    pixels = max(2 * step * conv.input.channels, 2 * conv.output.channels * conv.output.itemsize - 64)
    return weights < 65536 and pixels < 4032


def _is_odd(conv: q.QConv) -> bool:
    """Whether a convolution's input channels are no multiple of four, but its outputs are, and of 8 bits."""
    is_plain = not conv.is_depthwise and conv.dilation == 1 and conv.output.dtype != "int16"
    is_shape = conv.input.channels % 4 > 0 and conv.output.channels % 4 == 0 and conv.output.width >= 2
    return is_plain and is_shape and 2 * conv.output.channels < ENCODABLE


def is_narrow(conv: q.QConv) -> bool:
    """Whether the loop of kernels/conv_narrow.h is for a convolution: the image's, of a few words."""
    words = conv.kernel * -(-conv.kernel * conv.input.channels // 4)
    return _is_odd(conv) and words <= NARROW_WORDS


def is_collected(conv: q.QConv) -> bool:
    """Whether a convolution's taps are collected for each pixel (kernels/conv_streamed.h)."""
    return _is_odd(conv) and not is_narrow(conv) and collected_taps(conv) <= STREAMED_TAPS


def is_of_colours(conv: q.QConv) -> bool:
    """Whether conv_streamed_colours takes a convolution's taps straight from their rows: 3x3 of an RGB image."""
    return is_collected(conv) and conv.kernel == 3 and conv.input.channels == 3


def collected_taps(conv: q.QConv) -> int:
    """conv_collected_taps of kernels/conv_layer.h: fours of each row, then what is left of all, filled up to fours."""
    row = conv.kernel * conv.input.channels
    return row // 4 * 4 * conv.kernel + -(-(row % 4 * conv.kernel) // 4) * 4


def is_by_four(conv: q.QConv) -> bool:
    """Whether kernels/conv_fours.h makes four outputs of a convolution at a time."""
    if conv.is_depthwise or conv.gate is not None or conv.output.channels % 4 or conv.input.channels % 4:
        return False
    if conv.kernel > 1:
        return conv.dilation == 1 and conv.kernel * conv.input.channels // 2 <= FOURS_WORDS
    return conv.output.dtype != "int16" and 3 * conv.input.channels < ENCODABLE


def has_single(conv: q.QConv) -> bool:
    """Whether kernels/conv_fours.h makes the last pixel of a row of an odd number by itself."""
    is_made_so = is_by_four(conv) and conv.kernel == 1 and not is_streamed(conv) and conv.input.channels % 8 == 0
    return is_made_so and conv.output.width % 2 == 1


def is_streamed(conv: q.QConv) -> bool:
    """Whether the weights of a 1x1 convolution are streamed past the pixels (kernels/conv_streamed.h)."""
    is_shape = is_by_four(conv) and conv.kernel == 1
    return is_shape and conv.input.channels <= STREAMED_TAPS and conv.output.channels >= STREAMED_OUTPUTS


def streamed_taps(conv: q.QConv) -> int:
    """Taps of an output whose weights are streamed past the pixels, collected or not; 0 of any other."""
    return collected_taps(conv) if is_collected(conv) else conv.input.channels if is_streamed(conv) else 0


def is_bounded(conv: q.QConv) -> bool:
    """Whether no sum of a convolution leaves 16 bits when it is requantised, whatever its input."""
    largest = max(abs(limit) for limit in q.LIMITS[conv.input.dtype])
    weights = np.abs(conv.weight.astype(float)).reshape(len(conv.weight), -1).sum(1)
    sums = (weights * largest + np.abs(conv.bias.astype(float))) * 2.0 ** (conv.shift - 32)
    return bool(np.all(sums * conv.multiplier < 32766))


def is_channelwise(conv: q.QConv) -> bool:
    """Whether the loop of kernels/depthwise.h is for a convolution, whose constants then come channel by channel."""
    is_shape = conv.is_depthwise and conv.kernel == 3 and conv.stride <= 2 and conv.dilation == 1
    return is_shape and 2 * conv.output.channels < ENCODABLE and conv.output.dtype != "int16"


def is_gathered(conv: q.QConv) -> bool:
    """Whether kernels/dilated.h lays a convolution's taps side by side before it multiplies them."""
    return conv.dilation > 1 and not conv.is_depthwise


def is_wide(conv: q.QConv) -> bool:
    """Whether a dilated depthwise convolution runs as one of neighbouring pixels, which share no tap, as one pixel."""
    channels = conv.dilation * conv.output.channels
    is_shape = conv.kernel == 3 and conv.stride == 1 and 2 * channels < ENCODABLE
    is_used = conv.output.width >= 2 * conv.dilation and conv.output.dtype != "int16"
    return conv.is_depthwise and conv.dilation > 1 and is_shape and is_used
