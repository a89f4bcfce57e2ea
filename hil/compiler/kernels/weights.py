"""The constants of a network as C: weights.h and weights.c, laid out as the kernels read them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hil.compiler.kernels.loops import collected_taps, is_channelwise, is_collected, is_narrow, is_wide
from hil.compiler.kernels.sparse import blocks, packed_blocks
from hil.compiler.quantised import graph as q

FLASH_LINE = 16  # bytes that the flash reads at once: an array that begins within one takes a line more, by luck or not
HOT_WINDOWS = 16  # a pool with fewer windows reads its weights too seldom for them to earn a copy in SRAM


@dataclass(frozen=True)
class Constant:
    """An array of the firmware. is_hot: read for every pixel in no order a cache likes, so it lies in SRAM."""

    name: str
    values: np.ndarray
    comment: str
    is_hot: bool = False

    @property
    def declaration(self) -> str:
        qualifier = "" if self.is_hot else "const "
        align = 4 if self.is_hot else FLASH_LINE
        return f"{qualifier}{self.values.dtype}_t {self.name}[{self.values.size}] __attribute__((aligned({align})))"


def constants(graph: q.QuantisedGraph) -> Iterator[Constant]:
    """Every constant array of a graph, in the order of its layers."""
    for layer in graph.layers:
        match layer:
            case q.QConv():
                yield from _conv(layer)
            case q.QPool():
                yield from _pool(layer)
            case q.QNorm():
                yield Constant(f"{layer.name}_gain", layer.stored_gain, f"[{layer.gain.size}]")
            case q.Family():
                for end, values, comment in layer.constants():
                    yield Constant(f"{layer.name}_{end}", values, comment)


def hot_bytes(graph: q.QuantisedGraph) -> int:
    """Bytes of constants that are copied to SRAM at start-up."""
    return sum(c.values.nbytes for c in constants(graph) if c.is_hot)


def _conv(layer: q.QConv) -> Iterator[Constant]:
    k, out, channels = layer.kernel, layer.output.channels, layer.input.channels
    if is_channelwise(layer) or is_wide(layer):
        each = channelwise(layer)
        what = f"[{len(each)}]: 3 columns' upper weights, the last row's, bias, multiplier"
        yield Constant(f"{layer.name}_each", each, what)
        return
    if layer.is_depthwise:
        weight, shape = layer.weight.transpose(1, 2, 0), f"[{k}][{k}][{channels}]"
    else:
        weight, shape = layer.weight, f"[{out}][{k}][{k}][{channels}]"
    yield Constant(f"{layer.name}_weight", weight, shape)
    if is_narrow(layer):
        yield Constant(
            f"{layer.name}_narrow", narrow(layer.weight), f"[{out // 4}][{k}][{-(-k * channels // 4)}][4][4]"
        )
    if is_collected(layer):
        yield Constant(f"{layer.name}_collected", collected(layer), f"[{out}][{collected_taps(layer)}]")
    yield Constant(f"{layer.name}_bias", layer.bias, f"[{out}]")
    yield Constant(f"{layer.name}_multiplier", layer.multiplier, f"[{out}]")


def _pool(layer: q.QPool) -> Iterator[Constant]:
    is_hot = layer.windows[0] * layer.windows[1] >= HOT_WINDOWS
    for number, cell in ((1, layer.cell1), (2, layer.cell2)):
        inputs, hidden = cell.w.shape
        is_dense = not isinstance(cell, q.QCell)
        shape = f"[{hidden}][{inputs}]"
        if number == 1:
            yield Constant(
                f"{layer.name}_w1", of_pixels(cell.w.T), f"{shape}, of two units four inputs in turn", is_hot
            )
            yield Constant(f"{layer.name}_offset1", cell.offset, f"[{hidden}]", is_hot)
        else:
            yield Constant(f"{layer.name}_w2", packed(cell.w.T, cell.offset, is_dense), f"{shape}, packed", is_hot)
        offsets = "" if cell.is_tied else " with the update offsets"
        shape = f"[{hidden}][{cell.hidden}], packed{offsets}"
        yield Constant(f"{layer.name}_u{number}", packed(cell.u.T, cell.end_of_u, is_dense), shape, is_hot)
    for number, cell in _own_tables(layer):
        if cell.is_tied:
            yield Constant(
                f"{layer.name}_gates{number}", cell.gates, "z in Q15 and (1 - z) c in Q14 of -8 to 8", is_hot
            )
            continue
        what = "z and its counterpart" if isinstance(cell, q.QCell) else "a gate"
        yield Constant(f"{layer.name}_gates{number}", cell.gates, f"{what}, Q14, of -8 to 8", is_hot)
        yield Constant(f"{layer.name}_tanh{number}", cell.tanh, "Q15 of -4 to 4", is_hot)


def of_pixels(weight: np.ndarray) -> np.ndarray:
    """Weights (rows, inputs) as kernels/fastgrnn_pixels.h reads them, int16 (pairs of rows, groups, 2, 4)."""
    rows, inputs = weight.shape
    padded = np.zeros((-(-rows // 2), 2, -(-inputs // 4), 4), np.int16)
    padded.reshape(-1, padded.shape[2] * 4)[:rows, :inputs] = weight
    return np.ascontiguousarray(padded.transpose(0, 2, 1, 3))


def narrow(weight: np.ndarray) -> np.ndarray:
    """Weights (out, k, k, in) as kernels/conv_narrow.h takes them, int16: of four taps 0, 2, 1, 3, padded with 0."""
    out, k, _, channels = weight.shape
    words = -(-k * channels // 4)
    padded = np.zeros((out, k, 4 * words), np.int16)
    padded[:, :, : k * channels] = weight.reshape(out, k, k * channels)
    taps = padded.reshape(out // 4, 4, k, words, 4)[..., [0, 2, 1, 3]]
    return np.ascontiguousarray(taps.transpose(0, 2, 3, 1, 4))


def collected(conv: q.QConv) -> np.ndarray:
    """Weights in the order of conv_collected_taps (kernels/conv_layer.h), int8 (out, taps), filled up with 0."""
    rows = conv.weight.reshape(len(conv.weight), conv.kernel, -1)
    fours = rows.shape[2] // 4 * 4
    taps = np.concatenate([part.reshape(len(rows), -1) for part in (rows[..., :fours], rows[..., fours:])], 1)
    return np.pad(taps, ((0, 0), (0, collected_taps(conv) - taps.shape[1])))


def folded_shift(conv: q.QConv) -> int:
    """By how much a depthwise convolution's stored weights and biases are shifted already, so that no sum need be."""
    fits = conv.shift <= 8 and np.all(np.abs(conv.bias.astype(np.int64)) << conv.shift < 1 << 31)
    return conv.shift if fits else 0


def channelwise(conv: q.QConv) -> np.ndarray:
    """A depthwise convolution's constants as kernels/depthwise.h takes them: int32 (dilation * channels, 7)."""
    times = conv.dilation  # the same for each of the pixels that are one: is_wide
    weight, bias, multiplier = (np.concatenate([part] * times) for part in (conv.weight, conv.bias, conv.multiplier))
    weight, bias = weight.astype("<i2") << folded_shift(conv), bias << folded_shift(conv)
    taps = np.zeros((len(bias), 5, 2), "<i2")
    taps[:, :3] = weight[:, :2].transpose(0, 2, 1)  # (channels, column, row)
    taps.reshape(-1, 10)[:, 6:9] = weight[:, 2]
    words = taps.reshape(-1, 10).view("<i4")
    return np.concatenate([words, bias[:, None], multiplier[:, None]], 1).astype(np.int32)


def packed(matrix: np.ndarray, offsets: np.ndarray, is_dense: bool = False) -> np.ndarray:
    """An int16 matrix (rows, length) and int32 offsets (rows,), or none, as kernels/fastgrnn_cell.h packs them.

    In blocks where that is worth while, unless is_dense.
    """
    rows, length = matrix.shape
    if not is_dense and blocks(matrix):
        pairs = packed_blocks(matrix)
        words = offsets.astype("<i4").view("<i2").reshape(len(pairs), -1)
        return np.concatenate([part for one, end in zip(pairs, words, strict=True) for part in (one.ravel(), end)])
    padded = np.zeros((rows + rows % 2, length + length % 2), np.int16)
    padded[:rows, :length] = matrix
    ends = np.zeros(len(padded), "<i4")
    ends[: offsets.size] = offsets
    parts = []
    for pair in range(0, len(padded), 2):
        parts += [padded[pair : pair + 2, i : i + 4].ravel() for i in range(0, padded.shape[1], 4)]
        if offsets.size:
            parts.append(ends[pair : pair + 2].view("<i2"))
    return np.concatenate(parts)


def _own_tables(layer: q.QPool) -> list[tuple[int, q.Cell]]:
    """The cells that bring tables; cell 2 uses cell 1's where they are the same, as they nearly always are."""
    one, two = layer.cell1, layer.cell2
    is_same = np.array_equal(one.gates, two.gates) and np.array_equal(one.tanh, two.tanh)
    return [(1, one)] if is_same else [(1, one), (2, two)]


def table_number(layer: q.QPool, number: int) -> int:
    """Whose tables cell `number` reads."""
    return number if number <= len(_own_tables(layer)) else 1


def weights_header(graph: q.QuantisedGraph) -> str:
    """weights.h: the declarations."""
    lines = [f"extern {c.declaration};  // {c.comment}" for c in constants(graph)]
    body = "\n".join(lines)
    return (
        "// The network's constants, generated by rnnpool-hil.\n#ifndef WEIGHTS_H\n#define WEIGHTS_H\n\n"
        f"#include <stdint.h>\n\n{body}\n\n#endif\n"
    )


def weights_source(graph: q.QuantisedGraph) -> str:
    """weights.c: the numbers. Hot arrays are initialised data in SRAM, the others stay in flash."""
    parts = ['// Generated by rnnpool-hil.\n#include "weights.h"\n\n#include "port.h"\n']
    for c in constants(graph):
        prefix = "HIL_SRAM_DATA " if c.is_hot else ""
        parts.append(f"// {c.comment}\n{prefix}{c.declaration} = {{\n{wrapped(c.values)}\n}};\n")
    return "\n".join(parts)


def wrapped(values: np.ndarray, indent: str = "    ") -> str:
    """Numbers, comma separated, in lines of at most 120 characters."""
    lines, line = [], indent
    for value in values.ravel():
        item = f"{int(value)}, "
        if len(line) + len(item) > 120:
            lines.append(line.rstrip())
            line = indent
        line += item
    return "\n".join([*lines, line.rstrip()])
