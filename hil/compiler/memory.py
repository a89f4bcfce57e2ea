"""What the kernels need to work besides the rows of maps, by the shapes that their fast loops take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hil.compiler import graph as q

NARROW_WORDS = 14  # that conv_narrow multiplies without a loop: what fits the instruction cache
SCRATCH_BYTES = 8192  # for a convolution's widened weights and pixels, unless the plan is to save more


def pool_memory(pool: q.QPool) -> dict[str, int]:
    """Bytes of the buffers of kernels/rnnpool.h, by name."""
    across = pool.windows[1]
    width = (across - 1) * pool.stride + pool.patch
    phases = -(-pool.patch // pool.stride)
    h1, h2 = pool.cell1.hidden, pool.cell2.hidden
    return {
        f"{pool.name}_columns": 2 * phases * width * h1,
        f"{pool.name}_row_ring": 2 * pool.patch * across * h2,
        f"{pool.name}_scratch": 2 * width * max(h1, h2),
        f"{pool.name}_states": 2 * across * max(h1, h2),
        f"{pool.name}_sums": 4 * max(h1, h2),
    }


def conv_chunk(conv: q.QConv, pixels: Sequence[int], limit: int) -> int:
    """Pixels that kernels/conv.h widens at once, even: as many as `limit` bytes of scratch memory hold.

    pixels: of a row that are made in each turn. 0 for a shape that its fast path does not take: depthwise, input
    channels not a multiple of four, fewer than three outputs, rows of one pixel, pixels so large that the distance
    between two is no offset of an instruction.
    """
    most = max(pixels)
    if conv.is_depthwise or conv.input.channels % 4 or most < 2 or conv.output.channels < 3 or not _is_encodable(conv):
        return 0
    for parts in range(1, most + 1):
        chunk = -(-most // parts)
        chunk += chunk % 2
        if chunk == 2 or conv_scratch(conv, pixels, chunk) <= limit:
            return chunk
    raise AssertionError("a chunk of two always ends the loop")


def _is_encodable(conv: q.QConv) -> bool:
    """Whether conv_pairs' distances fit its instructions: from pixel to pixel of input and output, over all weights."""
    weights = 6 * conv.kernel**2 * conv.input.channels
    pixels = max(2 * conv.stride * conv.input.channels, 2 * conv.output.channels * conv.output.itemsize - 64)
    return weights < 65536 and pixels < 4032


def is_narrow(conv: q.QConv) -> bool:
    """Whether the loop of kernels/conv_narrow.h is for a convolution: input channels that conv_chunk does not take."""
    is_shape = conv.input.channels % 4 > 0 and conv.output.channels % 4 == 0 and conv.output.width >= 2
    words = conv.kernel * -(-conv.kernel * conv.input.channels // 4)
    is_short = words <= NARROW_WORDS and conv.kernel <= 7 and 2 * conv.output.channels < 4096
    return not conv.is_depthwise and is_shape and is_short and conv.output.dtype != "int16"


def parts(pixels: int, chunk: int) -> Iterator[int]:
    """The parts in which conv_pixels of kernels/conv.h makes some pixels: never a single one."""
    while pixels > 0:
        part = pixels if pixels <= chunk + 1 else chunk
        yield part
        pixels -= part


def conv_scratch(conv: q.QConv, pixels: Sequence[int], chunk: int) -> int:
    """Bytes of the widened weights of three outputs and of the widened pixels of the largest part."""
    largest = max(part for count in pixels for part in parts(count, chunk))
    columns = (largest - 1) * conv.stride + conv.kernel
    return 2 * conv.kernel * conv.input.channels * (3 * conv.kernel + columns)
