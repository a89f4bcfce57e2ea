"""Cycles of each layer before anything has run, from what the kernels' loops cost.

The constants are cycles that the timing model (mode full, 5 wait states) counts in the fast kernels' loops: each stands
for one loop of firmware_src/kernels and is named after it. What a layer calls once a row or less is left out. The plain
loops, which some shapes fall back to (is_fast), have constants of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from hil.compiler.kernels import windows
from hil.compiler.kernels.loops import (
    has_single,
    is_by_four,
    is_channelwise,
    is_collected,
    is_gathered,
    is_narrow,
    is_of_colours,
    is_wide,
    streamed_taps,
)
from hil.compiler.kernels.memory import SCRATCH_BYTES, conv_chunk, gathered_parts, parts
from hil.compiler.kernels.sparse import MAX_VECTOR, kept
from hil.compiler.planning.chains import Chain, alone, shape
from hil.compiler.quantised import graph as q
from hil.compiler.quantised.gated import QGated

MEAN_PIXELS = 128  # kernels/elementwise.h
MAX_GROUPS, ROUND_GROUPS = 16, 8  # kernels/fastgrnn_pixels.h


@dataclass(frozen=True)
class Costs:
    """Cycles of the kernels' loops on a Cortex-M4 at 5 wait states."""

    word: float = 12.2  # conv_pairs: three outputs of two pixels, a word of two taps each
    word_of_two: float = 9.2  # of two outputs
    words_loop: float = 6.0  # around as many words as are unrolled
    kernel_row: float = 22.0  # from one kernel row to the next
    pair: float = 46.0  # bias, requantisation, stores and pointers of such a pair
    short_pair: float = 34.0  # of one whose words need no loop
    pair_of_two: float = 10.0  # less of two outputs
    group: float = 90.0  # setting out on three outputs
    word_of_four: float = 16.2  # conv_fours_pairs: four outputs of two pixels
    pair_of_four: float = 46.0
    row_of_four: float = 10.0  # a kernel row of theirs
    single: float = 45.0  # conv_fours_single: four outputs of a pixel
    single_word: float = 10.5
    widened_fours: float = 7.5  # conv_widen_fours, a tap of each of four outputs
    streamed_word: float = 15.0  # conv_streamed_pair: four outputs of two pixels
    streamed_pair: float = 43.0
    streamed_begin: float = 110.0  # setting out on two pixels
    collected_tap: float = 2.0  # conv_collect, a tap
    colours_begin: float = 106.0  # conv_streamed_colours: setting out on two pixels, taps and all
    streamed_record: float = 80.0  # conv_streamed_fill, four outputs
    widened_weights: float = 6.0  # conv_widen_weights, a tap of each of three outputs
    widened_pixels: float = 1.5  # conv_widen, a value
    passing: float = 0.24  # share of a head's pairs of pixels with a score that passes, of one pixel at even odds
    passing_odds: float = -1.144  # power of the threshold's odds to which the share rises: of M4's 5 % and Quant's 1 %
    passing_most: float = 0.85  # not all pass even so: of Quant's small heads, fitted to the demo's photo
    gated_pair: float = 60.0  # conv_gated_outputs: finding that out, and setting out on such a pair
    narrow_pair: float = 61.0  # conv_narrow_pairs: four outputs of two pixels
    narrow_word: float = 43.0  # four taps of theirs
    depthwise_value: float = 16.7  # depthwise_channels: an output of stride 1
    depthwise_column: float = 5.9  # more for the second column that one of stride 2 loads
    depthwise_channel: float = 75.0  # setting out on a channel
    plain_begin: float = 850.0  # a row, whose code and constants come from flash
    plain_pair: float = 45.0  # conv_2x2: two outputs of two pixels
    plain_row: float = 7.0  # a kernel row of theirs, four bytes of it, and each one left over
    plain_word: float = 26.0
    plain_byte: float = 8.0
    plain_depthwise_mac: float = 9.0  # depthwise_channel
    cell_word: float = 11.5  # cell_steps: two units of three sequences, a word of two state values each
    cell_pair: float = 78.0  # their gates
    tied_pair: float = 47.0  # with one table
    cell_start: float = 20.0  # loading three states
    block: float = 15.0  # cell_steps_blocks: a block of two units and two values
    blocks_pair: float = 11.0  # more than the gates of the dense loop
    blocks_start: float = 25.0
    scalar_word: float = 4.5  # cell_step: a unit of one sequence
    scalar_unit: float = 34.0
    gru_unit: float = 45.0  # gru_update, a unit of a sequence
    lstm_unit: float = 60.0
    first_pair: float = 26.0  # cell_first_step_pairs
    first_tied_pair: float = 15.0
    first_start: float = 22.0
    pixel_pair: float = 29.0  # cell_project_two_pixels: two units
    pixel_start: float = 32.0
    wide_pair: float = 28.0  # cell_project_wide_pixels: two units
    wide_group: float = 18.0  # four channels of theirs
    wide_round: float = 6.0  # a round of groups
    widened_group: float = 20.0  # of two pixels
    scalar_pixel: float = 14.0  # cell_project_pixel: a unit
    scalar_channel: float = 3.1
    stored: float = 9.0  # rnnpool_store, a value
    pool_part: float = 1000.0  # setting out on a part of a row
    moved_byte: float = 0.5  # rnnpool_move_on
    norm_pixel: float = 60.0
    norm_value: float = 9.6  # l2norm_eights
    norm_plain_value: float = 15.3  # of gains of 32 bits, or channels that are no multiple of eight
    norm_four: float = 84.5  # l2norm_four: a pixel
    added_value: float = 7.55
    added_row: float = 510.0
    mean_value: float = 9.0
    mean_of_four: float = 1.8  # mean_add_four: a value
    mean_channel: float = 15.0
    turn: float = 170.0  # chain_step: a layer's share of a turn
    kept_byte: float = 0.6  # from a piece to the ring


COSTS = Costs()


def is_fast(layer: q.Layer) -> bool:
    """Whether the layer's shape is one that the kernels' loops for the Cortex-M4's DSP instructions cover."""
    match layer:
        case q.QConv() if layer.is_depthwise:
            return is_channelwise(layer)
        case q.QConv():
            return is_narrow(layer) or conv_chunk(layer, [layer.output.width], SCRATCH_BYTES) > 0
        case q.QPool():
            return _is_fast_vector(layer.cell1.hidden) and _is_fast_vector(layer.cell2.hidden)
    return True


def predict(layer: q.Layer, costs: Costs = COSTS) -> int:
    """Cycles of a layer on its own for one image."""
    match layer:
        case q.QPool():
            return round(_pool(layer, costs))
        case q.StepLayer():
            return round(layer.cycles)
        case q.QMean():
            pixels, channels = layer.input.height * layer.input.width, layer.input.channels
            value = costs.mean_of_four if channels % 4 == 0 and layer.input.width <= MEAN_PIXELS else costs.mean_value
            return round(channels * (value * pixels + costs.mean_channel))
    return predict_in_chain(alone(layer), 0, costs)


def predict_in_chain(chain: Chain, index: int, costs: Costs = COSTS) -> int:
    """Cycles of a chain's layer for one image."""
    layer, pixels = chain.layers[index], chain.pixels(index)
    row = len(pixels) * costs.turn
    match layer:
        case q.QConv() if layer.is_depthwise:
            row += sum(_depthwise(layer, count, costs) for count in pixels if count)
        case q.QConv() if streamed_taps(layer) and conv_chunk(layer, pixels, chain.scratch):
            row += sum(_streamed(layer, count, conv_chunk(layer, pixels, chain.scratch), costs) for count in pixels)
        case q.QConv() if chunk := conv_chunk(layer, pixels, chain.scratch):
            gathered = gathered_parts(layer, pixels)
            row += sum(_conv(layer, part, costs) for count in gathered for part in parts(count, chunk))
        case q.QConv() if is_narrow(layer):
            words = layer.kernel * -(-layer.kernel * layer.input.channels // 4)
            pairs = layer.output.channels // 4 * sum(-(-count // 2) for count in pixels)
            row += pairs * (costs.narrow_pair + costs.narrow_word * words)
        case q.QConv():
            row += _plain_conv_row(layer, costs)
        case q.QNorm():
            row += layer.output.width * _norm(layer, costs)
        case q.QAdd():
            row += costs.added_row + costs.added_value * layer.output.width * layer.output.channels
        case q.RowLayer():
            row += sum(layer.row_cycles(count) for count in pixels)
    kernel, stride, padding = shape(layer)
    if index > chain.is_again and kernel > 1:
        row += costs.kept_byte * stride * (layer.input.width + 2 * padding) * layer.input.channels
    rows = layer.output.height
    if chain.is_again and index == 0:
        rows = _rows_made_again(chain)
    return round(rows * row)


def _rows_made_again(chain: Chain) -> int:
    """How often the first layer makes a row, where the second has each that it looks at made anew."""
    kernel, stride, padding = shape(chain.layers[1])
    height = chain.layers[0].output.height
    tops = range(-padding, chain.layers[1].output.height * stride - padding, stride)
    return sum(min(height, top + kernel) - max(0, top) for top in tops)


def _conv(conv: q.QConv, pixels: int, c: Costs) -> float:
    """A part of a row that conv_pixels makes at once."""
    words = conv.kernel * conv.input.channels // 2
    if is_by_four(conv):
        return _fours(conv, pixels, c)
    unrolled = next(n for n in (16, 12, 8, 4, 2) if words % n == 0)
    loops = words // unrolled if words != unrolled else 0
    is_short = conv.kernel == 1 and not loops
    rest = c.short_pair if is_short else c.pair
    rest += conv.kernel * (loops * c.words_loop + (conv.kernel > 1) * c.kernel_row)
    pair = {3: rest + conv.kernel * words * c.word, 2: rest - c.pair_of_two + conv.kernel * words * c.word_of_two}
    group = {n: c.group + c.widened_weights / 3 * n * conv.kernel * words * 2 for n in (2, 3)}
    columns, pairs = (pixels - 1) * conv.stride + conv.kernel, -(-pixels // 2)
    if is_gathered(conv):
        columns = pixels * conv.kernel
    cycles = c.widened_pixels * conv.kernel * columns * conv.input.channels
    gated = conv.gate.scores if conv.gate else 0
    share = _passing(conv, c) if conv.gate else 0.0
    for count in _groups(conv.output.channels - gated):
        cycles += group[count] + pairs * pair[count]
    return cycles + gated / 2 * (group[2] + share * pairs * (pair[2] + c.gated_pair))


def _passing(conv: q.QConv, c: Costs) -> float:
    """The share of a head's pairs of pixels of which one has a score that passes; falls with the root of the pixels."""
    odds = math.exp(conv.gate.threshold / 2**8) if conv.gate else 1.0
    return min(c.passing_most, c.passing * odds**c.passing_odds / math.sqrt(conv.output.height * conv.output.width))


def _fours(conv: q.QConv, pixels: int, c: Costs) -> float:
    channels, taps = conv.input.channels, conv.kernel**2 * conv.input.channels
    passes = (channels // 2) // max(n for n in range(1, 17) if channels // 2 % n == 0)
    around = conv.kernel * c.row_of_four if conv.kernel > 1 else (passes > 1) * passes * c.words_loop
    pair = c.pair_of_four + around + taps / 2 * c.word_of_four
    pairs, last = (pixels // 2, pixels % 2) if has_single(conv) else (-(-pixels // 2), 0)
    single = last * (c.single + channels / 2 * c.single_word)
    records = conv.output.channels / 4 * (c.group + c.widened_fours * taps + pairs * pair + single)
    return c.widened_pixels * conv.kernel * ((pixels - 1) * conv.stride + conv.kernel) * channels + records


def _streamed(conv: q.QConv, pixels: int, chunk: int, c: Costs) -> float:
    taps, records = streamed_taps(conv), conv.output.channels / 4
    widened = c.collected_tap if is_collected(conv) else c.widened_pixels
    begin = c.colours_begin if is_of_colours(conv) else c.streamed_begin + 2 * taps * widened
    begins = -(-conv.output.channels // chunk) * begin
    pairs = -(-pixels // 2) * (begins + records * (c.streamed_pair + taps / 2 * c.streamed_word))
    return records * (c.streamed_record + c.widened_fours * taps) + pairs


def _groups(outputs: int) -> list[int]:
    """How conv_all_outputs divides outputs."""
    threes = outputs // 3 - (outputs % 3 == 1)
    return [3] * threes + [2] * -(-(outputs - 3 * threes) // 2)


def _plain_conv_row(conv: q.QConv, c: Costs) -> float:
    length = conv.kernel * conv.input.channels
    pair = c.plain_pair + conv.kernel * (c.plain_row + length // 4 * c.plain_word + length % 4 * c.plain_byte)
    return c.plain_begin + -(-conv.output.channels // 2) * -(-conv.output.width // 2) * pair


def _norm(norm: q.QNorm, c: Costs) -> float:
    """A pixel."""
    channels, is_wide = norm.output.channels, norm.stored_gain.itemsize == 4
    if channels == 4 and not is_wide:
        return c.norm_four
    return c.norm_pixel + channels * (c.norm_plain_value if is_wide or channels % 8 else c.norm_value)


def _depthwise(conv: q.QConv, pixels: int, c: Costs) -> float:
    if not (is_channelwise(conv) or is_wide(conv)):
        return c.plain_depthwise_mac * conv.kernel**2 * conv.output.channels * pixels
    value = c.depthwise_value + (conv.stride == 2) * c.depthwise_column
    return conv.output.channels * (c.depthwise_channel + pixels * value)


def _pool(pool: q.QPool, c: Costs) -> float:
    (down, across), rows = pool.windows, (pool.windows[0] - 1) * pool.stride + pool.patch
    one, two, steps, found = pool.cell1, pool.cell2, pool.patch - 1, windows.parts(pool)
    moved = 2 * across * two.rows * min(windows.kept(pool), pool.stride)
    cycles = 0.0
    for count, columns in found:
        row = _pixels(one, pool.input.channels, columns, c)
        row += _first(one, count, c) + steps * _step(one, count, c) + _project(two, one.hidden, count, c)
        end = _first(one, columns, c) + steps * _step(one, columns, c) + _project(two, one.hidden, columns, c)
        end += 4 * (_first(two, count, c) + steps * _step(two, count, c) + c.stored * count * two.hidden)
        cycles += rows * (row + c.pool_part) + down * end
        moved += 2 * columns * one.state * (windows.phases(pool) > 1)
    return cycles + down * c.moved_byte * moved


def _pixels(cell: q.Cell, channels: int, width: int, c: Costs) -> float:
    groups = channels // 4
    if cell.rows % 2 == 0 and channels in (3, 4):
        return width / 2 * (c.pixel_start + cell.rows / 2 * c.pixel_pair)
    if cell.rows % 2 == 0 and channels % 4 == 0:
        pair = c.wide_pair + groups * c.wide_group + (groups > MAX_GROUPS) * groups // ROUND_GROUPS * c.wide_round
        return width / 2 * (c.pixel_start + groups * c.widened_group + cell.rows / 2 * pair)
    return width * cell.rows * (c.scalar_pixel + c.scalar_channel * channels)


def _is_fast_vector(length: int) -> bool:
    return length % 2 == 0 and length <= MAX_VECTOR


def _step(cell: q.Cell, sequences: int, c: Costs) -> float:
    if isinstance(cell, QGated):
        unit = c.gru_unit if cell.kind == "gru" else c.lstm_unit
        return _product(cell.hidden, cell.rows, sequences, c) + sequences * cell.hidden * unit
    fast = sequences // 3 if _is_fast_vector(cell.hidden) else 0
    gates, left = c.tied_pair if cell.is_tied else c.cell_pair, kept(cell.u.T)
    start, pair = c.cell_start, gates + c.cell_word * cell.hidden / 2
    if left:
        start, pair = c.blocks_start, gates + c.blocks_pair + c.block * left
    scalar = cell.hidden * (c.scalar_unit + c.scalar_word * cell.hidden / 2)
    return fast * (start + cell.hidden / 2 * pair) + (sequences - 3 * fast) * scalar


def _first(cell: q.Cell, sequences: int, c: Costs) -> float:
    if isinstance(cell, QGated):
        return sequences * cell.hidden * (c.gru_unit if cell.kind == "gru" else c.lstm_unit)
    return sequences * (c.first_start + cell.hidden / 2 * (c.first_tied_pair if cell.is_tied else c.first_pair))


def _project(cell: q.Cell, inputs: int, vectors: int, c: Costs) -> float:
    left = kept(cell.w.T) if isinstance(cell, q.QCell) else 0.0
    return _product(inputs, cell.rows, vectors, c, left)


def _product(inputs: int, rows: int, vectors: int, c: Costs, left: float = 0.0) -> float:
    """cell_project_states: a matrix times some vectors. left: blocks that a pair of rows keeps, 0 where it is dense."""
    fast = vectors // 3 if _is_fast_vector(inputs) and rows % 2 == 0 else 0
    scalar = rows * (10 + c.scalar_word * inputs / 2)
    start, pair = (c.blocks_start, c.blocks_pair + c.block * left) if left else (c.cell_start, c.cell_word * inputs / 2)
    return fast * (start + rows / 2 * (27 + pair)) + (vectors - 3 * fast) * scalar
