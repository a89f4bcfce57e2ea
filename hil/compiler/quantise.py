"""From float operators and activation ranges to the quantised graph."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from hil.compiler.check import check_graph
from hil.compiler.families import operators as f
from hil.compiler.families.dense import Dense, QDense
from hil.compiler.quantised import gated
from hil.compiler.quantised import graph as q
from hil.compiler.quantised.gated import finest
from hil.compiler.reading.calibrate import Ranges
from hil.compiler.reading.trace import trace
from hil.errors import HilError
from hil.reference.fastgrnn import FastGrnn
from hil.reference.gated import Gated

ANCHORS = 1 << 15  # that the device can number (kernels/detect.h)
_ACCUMULATOR = 2**31 - 1
TIED = 1e-5  # how far the differences of a tied cell's biases may be apart: float32 rounds each of the two


def compile_network(network: nn.Module, ranges: Ranges, shifts: f.Shifts | None = None) -> q.QuantisedGraph:
    """The quantised graph of a network whose tensors were calibrated (`calibrate`).

    shifts: what hil.compiler.bias.bias_shifts found, where the checkpoint has it. Raises HilError for an operator the
    compiler does not know, for a tensor without a range, for shifts of another number of channels, and for a graph
    whose rules are not its specification's.
    """
    floats = trace(network).shifted(shifts or {})
    graph = _Quantiser(floats, ranges).run(network)
    check_graph(graph, network.spec)
    return graph


class _Quantiser:
    def __init__(self, floats: f.FloatGraph, ranges: Ranges) -> None:
        self.floats = floats
        self.ranges = ranges
        height, width, channels = floats.input_shape
        zero = tuple(round(mean) for mean in floats.input_mean)
        image = q.Tensor(f.INPUT, height, width, channels, "uint8", tuple(map(float, floats.input_scale)), zero)
        self.tensors = {f.INPUT: image}

    def run(self, network: nn.Module) -> q.QuantisedGraph:
        layers = []
        for op in self.floats.operators:
            layer = self._layer(op)
            self.tensors[op.name] = layer.output
            layers.append(layer)
        detector = self._detector(network) if self.floats.heads else None
        if detector is not None:
            layers = [self._gated(layer, detector) for layer in layers]
        spec: Any = network.spec
        outputs = tuple(self.floats.outputs)
        return q.QuantisedGraph(spec.name, self.tensors[f.INPUT], tuple(layers), detector, outputs)

    def _gated(self, layer: q.Layer, detector: q.Detector) -> q.Layer:
        """A head that has offsets and scores and serves one source alone, with its gate; any other layer as it is."""
        is_read = any(layer.name in op.inputs for op in self.floats.operators)
        sources = [s for s in detector.sources if layer.name in (s.loc, s.conf)]
        if not isinstance(layer, q.QConv) or layer.is_depthwise or layer.dilation > 1 or is_read:
            return layer
        if len(sources) != 1 or sources[0].loc != sources[0].conf or detector.classes > 1:
            return layer
        return replace(layer, gate=q.Gate(sources[0].conf_channel, sources[0].background, detector.threshold))

    def _layer(self, op: f.Operator) -> q.Layer:
        source = self.tensors[op.inputs[0]]
        match op:
            case f.Conv():
                return self._conv(op, source)
            case f.Pool():
                return self._pool(op, source)
            case f.Norm():
                return self._norm(op, source)
            case f.Add():
                return self._add(op, source, self.tensors[op.other])
            case f.Mean():
                scale = (float(source.scale[0]),)
                output = q.Tensor(op.name, 1, 1, source.channels, source.dtype, scale)
                return q.QMean(source, output, min(round(2**32 / (source.height * source.width)), 2**31 - 1))
            case Dense():
                return self._dense(op, source)
            case f.Own():
                return op.quantise([self.tensors[name] for name in op.inputs], self._range(op.name))

    def _range(self, name: str) -> float:
        if name not in self.ranges:
            raise HilError(f"no activation range for tensor {name!r}: calibrate the checkpoint again with hil quantise")
        return max(self.ranges[name], 1e-6)

    def _conv(self, op: f.Conv, source: q.Tensor) -> q.QConv:
        is_depthwise = op.groups > 1
        extent = (op.weight.shape[2] - 1) * op.dilation + 1
        height, width = ((n + 2 * op.padding - extent) // op.stride + 1 for n in (source.height, source.width))
        weight, bias, unit = self._rounded(op, source, is_depthwise)
        output, output_scale = self._conv_output(op, height, width, unit)
        multiplier, shift = _multiplier(unit / output_scale)
        _check_accumulator(op.name, weight, bias, source.dtype, shift)
        layout = weight[:, 0] if is_depthwise else weight.transpose(0, 2, 3, 1)
        return q.QConv(source, output, np.ascontiguousarray(layout), bias.astype(np.int32), multiplier, shift,
                       op.stride, op.padding, is_depthwise, op.dilation)  # fmt: skip

    def _dense(self, op: Dense, source: q.Tensor) -> QDense:
        weight, bias, unit = self._rounded(op, source, False)
        output, output_scale = self._conv_output(op, 1, 1, unit)
        multiplier, shift = _multiplier(unit / output_scale)
        _check_accumulator(op.name, weight, bias, source.dtype, shift)
        layout = weight.transpose(2, 0, 3, 1).reshape(source.height, len(weight), -1)
        return QDense((source,), output, np.ascontiguousarray(layout), bias.astype(np.int32), multiplier, shift)

    def _rounded(
        self, op: f.Conv | Dense, source: q.Tensor, is_depthwise: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights in 8 bits a channel, as they lie in `op`; the bias in the accumulator's scale; that scale."""
        # The image's scale differs from channel to channel, so it goes into the weights.
        input_scale = np.broadcast_to(np.asarray(source.scale), (source.channels,))
        common = 1.0 if len(source.scale) > 1 or source.name == f.INPUT else source.scale[0]
        per_input = (input_scale / common)[:, None, None]
        real = op.weight * (per_input[:, None] if is_depthwise else per_input)
        weight_scale = np.maximum(np.abs(real).reshape(len(real), -1).max(1) / 127, np.abs(op.bias) / common / 2**27)
        weight_scale = np.maximum(weight_scale, 1e-12)
        weight = np.clip(np.rint(real / weight_scale[:, None, None, None]), -127, 127).astype(np.int8)
        bias = np.rint(op.bias / (weight_scale * common))
        if source.name == f.INPUT:
            mean = np.asarray(self.floats.input_mean)[:, None, None]
            bias = np.rint(bias - (weight * (mean[:, None] if is_depthwise else mean)).reshape(len(weight), -1).sum(1))
        return weight, bias, weight_scale * common

    def _conv_output(
        self, op: f.Conv | Dense, height: int, width: int, unit: np.ndarray
    ) -> tuple[q.Tensor, np.ndarray]:
        """The output tensor of a convolution and its scale a channel; unit: the accumulator's scale a channel."""
        channels = len(op.weight)
        fixed = self._fixed_point(op.name, channels)
        if fixed is not None:
            return q.Tensor(op.name, height, width, channels, "int16", tuple(map(float, fixed))), fixed
        dtype, scale = self._eight_bits(op.name, op.ceiling)
        return q.Tensor(op.name, height, width, channels, dtype, (float(scale),)), np.full(channels, scale)

    def _eight_bits(self, name: str, ceiling: float | None) -> tuple[q.Dtype, float]:
        """Type and scale of a tensor; ceiling: of the clamp behind it, if there is one."""
        if ceiling is None:
            return "int8", self._range(name) / 127
        return "uint8", min(self._range(name), ceiling) / 255

    def _fixed_point(self, name: str, channels: int) -> np.ndarray | None:
        """Scales of a tensor that leaves the network in 16 bits; None for any other.

        A detector's and a classifier's are the same in every network.
        """
        loc, conf = 2.0**-q.LOC_BITS, 2.0**-q.CONF_BITS
        for head in self.floats.heads:
            if name == head.loc == head.conf:
                return np.array([loc] * 4 + [conf] * (channels - 4))
            if name in (head.loc, head.conf):
                return np.full(channels, loc if name == head.loc else conf)
        if name in self.floats.outputs and not self.floats.users(name):
            return np.full(channels, self._range(name) / 32767)
        return np.full(channels, conf) if name == self.floats.output else None

    def _pool(self, op: f.Pool, source: q.Tensor) -> q.QPool:
        module = op.module
        down, across = ((n - module.patch) // module.stride + 1 for n in (source.height, source.width))
        pad = int(module.pad)
        output = q.Tensor(op.name, down + pad, across + pad, 4 * module.hidden2, "int8", (2.0**-7,))
        mean = self.floats.input_mean if source.name == f.INPUT else (0.0,)
        scale = np.broadcast_to(source.scale, (source.channels,))
        cell1 = _cell(module.cell1, scale, np.broadcast_to(mean, (source.channels,)), q.LIMITS[source.dtype])
        state = np.full(module.hidden1, 2.0**-q.STATE_BITS)
        cell2 = _cell(module.cell2, state, np.zeros(module.hidden1), q.LIMITS["int16"])
        return q.QPool(source, output, cell1, cell2, module.patch, module.stride, module.pad)

    def _norm(self, op: f.Norm, source: q.Tensor) -> q.QNorm:
        scale = self._range(op.name) / 127
        f.need_zero(op.name, source)
        output = replace(source, name=op.name, dtype="int8", scale=(scale,))
        gain = np.rint(64 * op.weight / scale)
        if np.abs(gain).max() >= 2**23:
            raise HilError(f"{op.name}: its weights are too large for its calibrated range: calibrate again")
        return q.QNorm(source, output, gain.astype(np.int32))

    def _add(self, op: f.Add, a: q.Tensor, b: q.Tensor) -> q.QAdd:
        if (a.height, a.width, a.channels) != (b.height, b.width, b.channels):
            raise HilError(f"{op.name} adds {a.name} and {b.name}, whose shapes differ")
        f.need_zero(op.name, a, b)
        dtype, scale = self._eight_bits(op.name, op.ceiling)
        ratios = (a.scale[0] / scale, b.scale[0] / scale)
        shift = min(20, 14 - math.floor(math.log2(max(ratios))))
        output = replace(a, name=op.name, dtype=dtype, scale=(scale,))
        return q.QAdd(a, b, output, round(ratios[0] * 2**shift), round(ratios[1] * 2**shift), shift)

    def _detector(self, network: nn.Module) -> q.Detector:
        spec: Any = network.spec
        sources = tuple(
            q.Source(head.loc, 0, head.conf, 4 if head.loc == head.conf else 0, background, step, size)
            for head, background, step, size in zip(
                self.floats.heads, spec.background, spec.steps, spec.sizes, strict=True
            )
        )
        threshold = math.floor(math.log(spec.score_threshold / (1 - spec.score_threshold)) * 2**q.CONF_BITS)
        classes = len(spec.classes)
        anchors = classes * sum(height * width for height, width in spec.map_sizes)
        if anchors > ANCHORS:
            raise HilError(
                f"{spec.name} has {anchors:,} priors, {classes} for each place; the device numbers {ANCHORS:,}"
            )
        return q.Detector(sources, threshold, spec.nms_iou, min(spec.candidates, spec.device_candidates),
                          min(spec.detections, spec.device_detections), spec.variances, classes,
                          spec.weighted_nms)  # fmt: skip


def _multiplier(ratio: np.ndarray) -> tuple[np.ndarray, int]:
    """multiplier (int32) and shift such that (x << shift) * multiplier / 2^32 is x * ratio."""
    shift = max(0, math.floor(math.log2(ratio.max())) + 2)
    multiplier = np.minimum(np.rint(ratio * 2.0 ** (32 - shift)), 2**31 - 1)
    return multiplier.astype(np.int32), shift


def _check_accumulator(name: str, weight: np.ndarray, bias: np.ndarray, dtype: q.Dtype, shift: int) -> None:
    largest = max(abs(limit) for limit in q.LIMITS[dtype])
    bound = np.abs(weight.astype(np.int64)).reshape(len(weight), -1).sum(1) * largest + np.abs(bias)
    if bound.max() * 2**shift > _ACCUMULATOR:
        raise HilError(f"{name}: its sums can leave 32 bits (2^{math.log2(bound.max()) + shift:.1f}): "
                       "its output range is far too small for its weights; calibrate with typical photos")  # fmt: skip


def _cell(cell: FastGrnn | Gated, scale: np.ndarray, mean: np.ndarray, limits: tuple[int, int]) -> q.Cell:
    """scale, mean: of the cell's input, a value a channel: x = (q - mean) * scale, q within limits."""
    if isinstance(cell, Gated):
        return gated.quantised(cell, scale, mean, limits)
    w, u, gate_bias, update_bias = (
        m.detach().double().numpy() for m in (cell.W, cell.U, cell.bias_gate, cell.bias_update)
    )
    largest = max(abs(limit) for limit in limits)
    w_real = w * scale[:, None] * 2.0**q.PRE_BITS
    w_shift = finest(w_real, largest)
    w_int = np.rint(w_real * 2.0**w_shift)
    offset = np.rint((gate_bias * 2.0**q.PRE_BITS + 0.5) * 2.0**w_shift - (w_int * mean[:, None]).sum(0))
    # pre = (wx << u_shift) + sum u h has to stay below 2^31: 14 bits leave room for the candidate's bias.
    u_real = u * 2.0 ** (q.PRE_BITS - q.STATE_BITS)
    u_shift = min(finest(u_real, 2**q.STATE_BITS), 14)
    update_offset = np.rint((update_bias - gate_bias) * 2.0 ** (q.PRE_BITS + u_shift))
    if max(np.abs(offset).max(), np.abs(update_offset).max() * 4) >= 2**30:
        raise HilError("a recurrent cell's biases are too large for 16 bits: was the checkpoint trained like this?")
    gates, tanh, is_convex = _tables(cell)
    if is_convex and np.ptp(update_bias - gate_bias) < TIED:
        gates, tanh, update_offset = _tied_table(cell, float(np.mean(update_bias - gate_bias))), tanh[:0], offset[:0]
    return q.QCell(
        w_int.astype(np.int16), offset.astype(np.int32), w_shift, np.rint(u_real * 2.0**u_shift).astype(np.int16),
        u_shift, update_offset.astype(np.int32), gates, tanh, is_convex,
    )  # fmt: skip


def _tables(cell: FastGrnn) -> tuple[np.ndarray, np.ndarray, bool]:
    """The tables of QCell, sampled in the middle of each bin, and whether the update is convex."""
    x_gate = (np.arange(q.GATE_TABLE) - q.GATE_TABLE // 2 + 0.5) * 2.0**-q.GATE_STEP_BITS
    x_update = (np.arange(q.TANH_TABLE) - q.TANH_TABLE // 2 + 0.5) * 2.0**-q.TANH_STEP_BITS
    z, update = _sigmoid(cell, x_gate), _tanh(cell, x_update)
    one = 2**q.GATE_BITS
    zeta, nu = (float(torch.sigmoid(v.detach().double())) for v in (cell.zeta, cell.nu))
    z_int = np.rint(z * one)
    g_int = np.minimum(np.rint(zeta * (one - z_int) + nu * one), 32767)
    tanh = np.clip(np.rint(update * 2**q.STATE_BITS), -32767, 32767).astype(np.int16)
    return np.stack([z_int, g_int], 1).astype(np.int16), tanh, bool(np.all(z_int + g_int <= one))


def _tied_table(cell: FastGrnn, difference: float) -> np.ndarray:
    """The only table of a tied QCell, sampled in the middle of each bin. difference: of its biases."""
    x = (np.arange(q.TIED_TABLE) - q.TIED_TABLE // 2 + 0.5) * 2.0**-q.TIED_STEP_BITS
    one = 2**q.STATE_BITS - 1
    z = np.rint(_sigmoid(cell, x) * one)
    v = np.rint((one - z) / 2 * _tanh(cell, x + difference))
    v = np.clip(v, -((one - z) // 2), (one - z) // 2)  # so that no state needs to be saturated
    return np.stack([z, v], 1).astype(np.int16)


def _sigmoid(cell: FastGrnn, x: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip((x + 1) / 2, 0, 1) if cell.nonlinearity == "quant" else 1 / (1 + np.exp(-x)))


def _tanh(cell: FastGrnn, x: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(x, -1, 1) if cell.nonlinearity == "quant" else np.tanh(x))
