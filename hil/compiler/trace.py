"""From a torch network to the float operator graph: torch.fx traces, batch norms fold, activations fuse."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import fx, nn

from hil.compiler.chains import MAX_KERNEL
from hil.compiler.operators import INPUT, Add, Conv, FloatGraph, Head, Mean, Norm, Operator, Pool
from hil.errors import HilError
from hil.reference.blocks import L2Norm
from hil.reference.rnnpool import RnnPool

KNOWN = (
    "Conv2d, BatchNorm2d, ReLU6, RnnPool, L2Norm, Linear, Dropout, Identity, AdaptiveAvgPool2d(1), add, mean, flatten"
)


def trace(network: nn.Module) -> FloatGraph:
    """The operator graph of a network in evaluation mode.

    network: a Detector (its `maps` is traced) or a classifier (its `forward`), with a `spec` that gives input_shape
    (C, H, W), input_mean and input_scale. Raises HilError that names an operator the compiler does not know.
    """
    spec: Any = network.spec  # of a detector or a classifier; any other that has the three will do
    channels, height, width = spec.input_shape
    graph = FloatGraph((height, width, channels), spec.input_mean, spec.input_scale)
    is_detector = hasattr(network, "maps")
    tracer = _Tracer("maps" if is_detector else "forward")
    traced = tracer.trace(network.eval())
    outputs = _Lowering(network, graph).run(traced)
    if is_detector:
        graph.heads = [Head(loc, conf) for loc, conf in outputs]
        _merge_heads(graph)
    else:
        graph.output = outputs
    return graph


class _Tracer(fx.Tracer):
    def __init__(self, method: str) -> None:
        super().__init__()
        self.traced_func_name = method

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (RnnPool, L2Norm)) or super().is_leaf_module(m, module_qualified_name)


class _Lowering:
    """Walks the fx graph once; `self.tensors` maps each fx node to the tensor (name) that holds its value."""

    def __init__(self, network: nn.Module, graph: FloatGraph) -> None:
        self.modules = dict(network.named_modules())
        self.graph = graph
        self.tensors: dict[fx.Node, str] = {}

    def run(self, traced: fx.Graph) -> Any:
        outputs: Any = None
        for node in traced.nodes:
            if node.op == "placeholder":
                self.tensors[node] = INPUT
            elif node.op == "output":
                outputs = fx.map_arg(node.args[0], lambda n: self.tensors[n])
            elif node.op == "call_module":
                self.tensors[node] = self._module(node, self.modules[str(node.target)])
            else:
                self.tensors[node] = self._function(node)
        return outputs

    def _module(self, node: fx.Node, module: nn.Module) -> str:
        source = self.tensors[cast(fx.Node, node.args[0])]
        name = _readable(str(node.target))
        match module:
            case nn.Conv2d():
                return self._append(_conv(module, self._unique(name), source))
            case nn.Linear():
                return self._append(_linear(module, self._unique(name), source))
            case nn.BatchNorm2d():
                if self._fusable(node) is None:
                    return self._append(_fold(_identity(module.num_features, self._unique(name), source), module))
                return self._fuse(node, lambda conv: _fold(conv, module))
            case nn.ReLU6():
                return self._fuse(node, lambda conv: replace(conv, is_relu6=True))
            case RnnPool():
                return self._append(Pool(self._unique(name), source, module))
            case L2Norm():
                return self._append(Norm(self._unique(name), source, _array(module.weight)))
            case nn.AdaptiveAvgPool2d() if module.output_size in (1, (1, 1)):
                return self._append(Mean(self._unique(name), source))
            case nn.Dropout() | nn.Identity():
                return source
        raise _unknown(f"{type(module).__name__} at {node.target}")

    def _function(self, node: fx.Node) -> str:
        target = node.target
        what = target if isinstance(target, str) else getattr(target, "__name__", str(target))
        source = self.tensors.get(node.args[0]) if node.args else None  # type: ignore[arg-type]
        if target in (operator.add, operator.iadd, torch.add) or what in ("add", "add_"):
            other = self.tensors.get(node.args[1])  # type: ignore[arg-type]
            if source is None or other is None:
                raise _unknown(f"add of a constant in {_owner(node)}")
            return self._append(Add(self._unique(f"{_readable(_owner(node))}_add"), source, other))
        if what == "mean" and source is not None and _dimensions(node) in ((2, 3), (-2, -1), (-1, -2), (3, 2)):
            return self._append(Mean(self._unique("mean"), source))
        if what in ("flatten", "contiguous", "squeeze") and source is not None:
            return source
        raise _unknown(f"{what} in {_owner(node)}")

    def _append(self, op: Operator) -> str:
        self.graph.operators.append(op)
        return op.name

    def _fusable(self, node: fx.Node) -> int | None:
        """The index of the convolution that a batch norm or activation may become part of: nothing else reads it."""
        before = node.args[0]
        assert isinstance(before, fx.Node)
        for i, op in enumerate(self.graph.operators):
            if op.name == self.tensors[before] and isinstance(op, Conv) and not op.is_relu6 and len(before.users) == 1:
                return i
        return None

    def _fuse(self, node: fx.Node, change: Callable[[Conv], Conv]) -> str:
        """Changes the convolution in front of a node. Raises HilError where there is none to change."""
        index = self._fusable(node)
        if index is None:
            what = type(self.modules[str(node.target)]).__name__
            raise _unknown(f"{what} at {node.target}, which follows no convolution of its own,")
        return self._replace(index, change)

    def _replace(self, index: int, change: Callable[[Conv], Conv]) -> str:
        conv = self.graph.operators[index]
        assert isinstance(conv, Conv)
        self.graph.operators[index] = change(conv)
        return conv.name

    def _unique(self, name: str) -> str:
        taken = {op.name for op in self.graph.operators}
        return name if name not in taken else next(n for i in range(1, 1000) if (n := f"{name}_{i}") not in taken)


def _unknown(what: str) -> HilError:
    return HilError(f"the compiler does not know the operator {what}: it takes networks made of {KNOWN}")


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy().copy()


def _conv(module: nn.Conv2d, name: str, source: str) -> Conv:
    kernel, stride, padding = (
        value[0] if value[0] == value[1] else None for value in (module.kernel_size, module.stride, module.padding)
    )
    is_plain = module.dilation == (1, 1) and module.padding_mode == "zeros" and not module.transposed
    is_depthwise = module.groups == module.in_channels == module.out_channels
    if None in (kernel, stride, padding) or not is_plain or not (module.groups == 1 or is_depthwise):
        raise _unknown(f"{module} at {name} (square, undilated, zero-padded, dense or depthwise convolutions only)")
    if kernel is not None and int(kernel) > MAX_KERNEL:
        raise _unknown(f"{module} at {name} (kernels of at most {MAX_KERNEL}x{MAX_KERNEL})")
    bias = np.zeros(module.out_channels) if module.bias is None else _array(module.bias)
    return Conv(name, source, _array(module.weight), bias, int(stride), int(padding), module.groups)  # type: ignore


def _identity(channels: int, name: str, source: str) -> Conv:
    """A depthwise 1x1 convolution that changes nothing, for a batch norm with no convolution to fold into."""
    return Conv(name, source, np.ones((channels, 1, 1, 1)), np.zeros(channels), groups=channels)


def _linear(module: nn.Linear, name: str, source: str) -> Conv:
    bias = np.zeros(module.out_features) if module.bias is None else _array(module.bias)
    return Conv(name, source, _array(module.weight)[:, :, None, None], bias)


def _fold(conv: Conv, norm: nn.BatchNorm2d) -> Conv:
    """The convolution that does the batch norm's work too."""
    mean, variance = _array(norm.running_mean), _array(norm.running_var)  # type: ignore[arg-type]
    gain = (1.0 if norm.weight is None else _array(norm.weight)) / np.sqrt(variance + norm.eps)
    shift = 0.0 if norm.bias is None else _array(norm.bias)
    return replace(conv, weight=conv.weight * gain[:, None, None, None], bias=(conv.bias - mean) * gain + shift)


def _owner(node: fx.Node) -> str:
    """The path of the module whose forward made this node."""
    stack = node.meta.get("nn_module_stack") or {}
    return list(stack)[-1] if stack else "network"


def _dimensions(node: fx.Node) -> tuple[int, ...]:
    dims = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else ())
    return tuple(dims) if isinstance(dims, (list, tuple)) else (dims,)  # type: ignore[return-value]


def _readable(path: str) -> str:
    """A C identifier from a module path: layers.mob0.expand.conv -> mob0_expand, norms.0 -> norm0."""
    path = re.sub(r"^(layers|features)\.(?!\d)", "", path)
    path = re.sub(r"\.conv$", "", path)
    path = re.sub(r"^([a-z]+?)s?\.(\d+)", r"\1\2", path)
    path = re.sub(r"\W+", "_", path) or "network"
    return f"layer{path}" if path[0].isdigit() else path


def _merge_heads(graph: FloatGraph) -> None:
    """Makes one convolution of a source's loc and conf where both read the same map with the same geometry."""
    by_name = {op.name: op for op in graph.operators}
    for i, head in enumerate(graph.heads):
        loc, conf = by_name[head.loc], by_name[head.conf]
        if not (isinstance(loc, Conv) and isinstance(conf, Conv)) or _geometry(loc) != _geometry(conf):
            continue
        weight, bias = np.concatenate([loc.weight, conf.weight]), np.concatenate([loc.bias, conf.bias])
        merged = replace(loc, name=f"head{i}", weight=weight, bias=bias)
        graph.operators[graph.operators.index(loc)] = merged
        graph.operators.remove(conf)
        graph.heads[i] = Head(merged.name, merged.name)


def _geometry(conv: Conv) -> tuple[object, ...]:
    return conv.input, conv.weight.shape[1:], conv.stride, conv.padding, conv.groups, conv.is_relu6
