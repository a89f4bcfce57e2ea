"""The bit-exact reference: the quantised graph run in numpy, every tensor kept.

Each function mirrors one kernel of firmware_src/kernels/ and gives the same bits. Accumulators stay below 2^31 by
construction (`quantise`), so float64 matrix products, which are exact to 2^53, can do the sums.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from hil.compiler.quantised.gated import QGated
from hil.compiler.quantised.graph import (
    GATE_BITS,
    LIMITS,
    STATE_BITS,
    Cell,
    Dtype,
    Family,
    Gate,
    Layer,
    QAdd,
    QCell,
    QConv,
    QMean,
    QNorm,
    QPool,
    QuantisedGraph,
)
from hil.compiler.quantised.tensors import POOL_PARTS, decoder_inputs
from hil.errors import HilError

Trace = dict[str, np.ndarray]


def run(graph: QuantisedGraph, image: np.ndarray) -> Trace:
    """Every tensor of quantised/tensors.py by name, (H, W, C) in its own dtype: outputs of layers, the image, states.

    image: uint8 (H, W, C) of the graph's input size. Raises HilError for any other shape or type.
    """
    expected = (graph.input.height, graph.input.width, graph.input.channels)
    if image.shape != expected or image.dtype != np.uint8:
        raise HilError(f"image is {image.dtype} {image.shape}, {graph.model} takes uint8 {expected}")
    trace: Trace = {graph.input.name: image}
    for layer in graph.layers:
        if isinstance(layer, QPool):
            found = pool_states(layer, trace[layer.input.name])
            trace |= {f"{layer.name}.{part}": values for part, values in zip(POOL_PARTS, found, strict=True)}
            trace[layer.name] = pooled(layer, found[-1])
        else:
            trace[layer.name] = apply(layer, [trace[t.name] for t in layer.inputs])
    return trace | {name: trace[read] for name, read in decoder_inputs(graph).items()}


def apply(layer: Layer, inputs: list[np.ndarray]) -> np.ndarray:
    """One layer's output for its inputs, maps (H, W, C)."""
    match layer:
        case QConv():
            return conv(layer, inputs[0])
        case QPool():
            return pooled(layer, pool_states(layer, inputs[0])[-1])
        case QNorm():
            return norm(layer, inputs[0])
        case QAdd():
            return add(layer, inputs[0], inputs[1])
        case QMean():
            return mean(layer, inputs[0])
        case Family():
            return layer.run(inputs)


def saturate(values: np.ndarray, dtype: Dtype) -> np.ndarray:
    """Clips to a dtype's range and converts."""
    return np.clip(values, *LIMITS[dtype]).astype(dtype)


def requantise(acc: np.ndarray, multiplier: np.ndarray | int, shift: int) -> np.ndarray:
    """round(((acc << shift) * multiplier) / 2^32), half up: SMMULR of the Cortex-M4."""
    return ((acc << shift) * np.asarray(multiplier, np.int64) + (1 << 31)) >> 32


def conv(layer: QConv, x: np.ndarray) -> np.ndarray:
    """Convolution with the padding filled by the input's zero."""
    p, s, k = layer.padding, layer.stride, layer.kernel
    padded = np.empty((x.shape[0] + 2 * p, x.shape[1] + 2 * p, x.shape[2]), np.float64)
    padded[:] = layer.input.zero
    padded[p : p + x.shape[0], p : p + x.shape[1]] = x
    windows = sliding_window_view(padded, (layer.extent, layer.extent), (0, 1))[::s, ::s]
    windows = windows[..., :: layer.dilation, :: layer.dilation]  # (H, W, C, k, k)
    weight = layer.weight.astype(np.float64)
    if layer.is_depthwise:
        acc = sum(windows[..., i, j] * weight[:, i, j] for i in range(k) for j in range(k))
    else:
        columns = windows.transpose(0, 1, 3, 4, 2).reshape(-1, weight[0].size)
        acc = (columns @ weight.reshape(len(weight), -1).T).reshape(*windows.shape[:2], -1)
    total = np.asarray(acc).astype(np.int64) + layer.bias
    made = saturate(requantise(total, layer.multiplier, layer.shift), layer.output.dtype)
    if layer.gate is not None:
        made[~passes(layer.gate, made), : layer.gate.scores] = 0
    return made


def passes(gate: Gate, made: np.ndarray) -> np.ndarray:
    """Where a head's pixels (H, W, C) pass: bool (H, W)."""
    scores = made[..., gate.scores :].astype(np.int64)
    return np.asarray(scores[..., gate.background] - scores[..., : gate.background].max(-1) > gate.threshold)


def pool_states(layer: QPool, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """RNNPool's int16 states, with shared sweeps: see hil.reference.rnnpool for why they may be shared.

    Returns summaries of rows (height, across, h1) and of columns (down, width, h1) and the last states of the second
    RNN (4 * down, across, h2), four rows a row of windows: down, up, rightwards, leftwards.
    """
    (down, across), patch, stride = layer.windows, layer.patch, layer.stride
    height, width = ((n - 1) * stride + patch for n in (down, across))
    x = x[:height, :width]
    wx = _project(layer.cell1, x.astype(np.float64))
    row_starts, column_starts = np.arange(down) * stride, np.arange(across) * stride
    rows = _sweep(layer.cell1, [wx[:, column_starts + t] for t in range(patch)])  # (H, across, h1)
    columns = _sweep(layer.cell1, [wx[row_starts + t] for t in range(patch)])  # (down, W, h1)
    rows2, columns2 = _project(layer.cell2, rows), _project(layer.cell2, columns)
    steps = range(patch)
    by_row = [rows2[row_starts + t] for t in steps]
    by_column = [columns2[:, column_starts + t] for t in steps]
    sweeps = [by_row, by_row[::-1], by_column, by_column[::-1]]
    states = np.stack([_sweep(layer.cell2, sequence) for sequence in sweeps], axis=1)  # (down, 4, across, h2)
    return rows.astype(np.int16), columns.astype(np.int16), states.reshape(-1, *states.shape[2:]).astype(np.int16)


def pooled(layer: QPool, states: np.ndarray) -> np.ndarray:
    """RNNPool's output of its last states, a quarter of the channels a direction."""
    across, hidden = states.shape[1:]
    by_pixel = states.reshape(-1, 4, across, hidden).transpose(0, 2, 1, 3).reshape(-1, across, 4 * hidden)
    output = saturate((by_pixel.astype(np.int32) + 128) >> 8, "int8")
    return np.pad(output, ((0, 1), (0, 1), (0, 0)), mode="edge") if layer.is_padded else output


def _project(cell: Cell, x: np.ndarray) -> np.ndarray:
    """W x of a cell for (..., in): int64 (..., hidden), PRE_BITS fractional bits, saturated to int16."""
    acc = (x @ cell.w.astype(np.float64)).astype(np.int64) + cell.offset
    return np.clip(acc >> cell.w_shift, *LIMITS["int16"])


def _sweep(cell: Cell, sequence: list[np.ndarray]) -> np.ndarray:
    """The last state of a cell over a sequence of W x, starting from zeros; int64 Q15."""
    state = np.zeros((*sequence[0].shape[:-1], cell.state), np.int64)
    for wx in sequence:
        state = cell.step(wx, state) if isinstance(cell, QGated) else step(cast(QCell, cell), wx, state)
    return state[..., : cell.hidden]


def step(cell: QCell, wx: np.ndarray, state: np.ndarray) -> np.ndarray:
    """One FastGRNN update of int64 states (..., hidden)."""
    pre = (wx << cell.u_shift) + (state.astype(np.float64) @ cell.u.astype(np.float64)).astype(np.int64)
    z, g = np.moveaxis(_look_up(cell.gates, pre >> cell.gate_shift), -1, 0)
    if cell.is_tied:
        return (z * (state + 1) + (g << 16)) >> STATE_BITS
    c = _look_up(cell.tanh, (pre + cell.update_offset) >> cell.tanh_shift)
    return np.clip((z * state + g * c) >> GATE_BITS, *LIMITS["int16"])


def _look_up(table: np.ndarray, index: np.ndarray) -> np.ndarray:
    half = len(table) // 2
    return table.astype(np.int64)[np.clip(index, -half, half - 1) + half]


def norm(layer: QNorm, x: np.ndarray) -> np.ndarray:
    """L2Norm with an integer inverse square root: 2^26 / sqrt(sum of squares), 15 bits of precision."""
    wide = x.astype(np.int64)
    squares = (wide**2).sum(2, keepdims=True)
    inverse = inverse_sqrt(squares)
    return saturate((wide * layer.gain * inverse + (1 << 31)) >> 32, layer.output.dtype)


def inverse_sqrt(squares: np.ndarray) -> np.ndarray:
    """2^26 / sqrt(n) for int64 n >= 0 below 2^31, rounded down twice as the kernel does; 0 for 0."""
    n = np.maximum(squares, 1)
    exponent = np.zeros_like(n)
    for _ in range(16):
        small = n < 1 << 30
        n, exponent = np.where(small, n << 2, n), exponent + small
    root = np.floor(np.sqrt(n.astype(np.float64))).astype(np.int64)  # exact: n < 2^32
    return np.where(squares > 0, (((1 << 30) // root) << exponent) >> 4, 0)


def add(layer: QAdd, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sum of two maps in the output's scale."""
    total = a.astype(np.int64) * layer.multiplier_a + b.astype(np.int64) * layer.multiplier_b
    return saturate((total + (1 << (layer.shift - 1))) >> layer.shift, layer.output.dtype)


def mean(layer: QMean, x: np.ndarray) -> np.ndarray:
    """Mean over all pixels."""
    total = x.astype(np.int64).sum((0, 1), keepdims=True)
    return saturate(requantise(total, layer.multiplier, 0), layer.output.dtype)
