"""What the kernels need to work besides the rows of maps, by the shapes that their fast loops take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hil.compiler.kernels.loops import is_by_four, is_encodable, is_gathered, is_of_colours, streamed_taps
from hil.compiler.quantised import graph as q

GATHERED_BYTES = 4096  # of a dilated convolution's taps, laid side by side
SCRATCH_BYTES = 8192  # for a convolution's widened weights and pixels, unless the plan is to save more


def conv_chunk(conv: q.QConv, pixels: Sequence[int], limit: int) -> int:
    """Pixels that kernels/conv.h widens at once, even: as many as `limit` bytes of scratch memory hold.

    Of a convolution that is streamed: outputs whose weights are widened at once, a multiple of four. pixels: of a row
    that are made in each turn. 0 for a shape that its fast path does not take: depthwise, input channels not a multiple
    of four, fewer than three outputs, rows of one pixel, pixels so large that the distance between two is no offset of
    an instruction.
    """
    pixels = gathered_parts(conv, pixels)
    most = max(pixels)
    if most >= 2 and streamed_taps(conv):
        records = conv.output.channels // 4
        at_once = max(1, (limit - stream_pair(conv)) // stream_record(conv))
        return 4 * -(-records // -(-records // at_once))
    if conv.is_depthwise or conv.input.channels % 4 or most < 2 or conv.output.channels < 3 or not is_encodable(conv):
        return 0
    for parts in range(1, most + 1):
        chunk = -(-most // parts)
        chunk += chunk % 2
        if chunk == 2 or conv_scratch(conv, pixels, chunk) <= limit:
            return chunk
    raise AssertionError("a chunk of two always ends the loop")


def parts(pixels: int, chunk: int) -> Iterator[int]:
    """The parts in which conv_pixels of kernels/conv.h makes some pixels: never a single one."""
    while pixels > 0:
        part = pixels if pixels <= chunk + 1 else chunk
        yield part
        pixels -= part


def stream_record(conv: q.QConv) -> int:
    """Bytes of four outputs in the stream of kernels/conv_streamed.h."""
    return 4 * (2 * streamed_taps(conv) + 10)


def stream_pair(conv: q.QConv) -> int:
    """Bytes of a pair of widened pixels behind that stream, if they wait in memory."""
    return 0 if is_of_colours(conv) else 4 * streamed_taps(conv)


def conv_scratch(conv: q.QConv, pixels: Sequence[int], chunk: int) -> int:
    """Bytes of the widened weights of three outputs, or four, and of the widened pixels of the largest part.

    Of a convolution that is streamed: of the stream and a pair of pixels.
    """
    if streamed_taps(conv):
        return chunk // 4 * stream_record(conv) + stream_pair(conv)
    largest = max(part for count in gathered_parts(conv, pixels) for part in parts(count, chunk))
    columns = (largest - 1) * _step(conv) + conv.kernel
    weights = (4 if is_by_four(conv) else 3) * conv.kernel
    return 2 * conv.kernel * conv.input.channels * (weights + columns)


def _step(conv: q.QConv) -> int:
    """Columns from pixel to pixel of what the multiplying loop sees: taps of a dilated convolution lie side by side."""
    return conv.kernel if is_gathered(conv) else conv.stride


def gathered_group(conv: q.QConv) -> int:
    """Pixels of a dilated convolution that are gathered at once, even."""
    return max(2, GATHERED_BYTES // (conv.kernel**2 * conv.input.channels) // 2 * 2)


def gathered_parts(conv: q.QConv, pixels: Sequence[int]) -> list[int]:
    """The pixels of each turn in the parts in which they are gathered; as they are for any other convolution."""
    if not is_gathered(conv):
        return list(pixels)
    return [part for count in pixels for part in parts(count, gathered_group(conv))]


def gathered_bytes(conv: q.QConv) -> int:
    """Bytes of the taps that are gathered at once, 0 where none are."""
    return (gathered_group(conv) + 1) * conv.kernel**2 * conv.input.channels if is_gathered(conv) else 0
