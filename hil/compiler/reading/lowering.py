"""Modules and functions of a traced network as operators: batch norms fold, activations fuse, the rest has a layer."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, cast

import torch
from torch import fx, nn

from hil.compiler.families.concat import MOST_INPUTS, Concat
from hil.compiler.families.dense import Dense
from hil.compiler.families.functions import Function
from hil.compiler.families.operators import INPUT, Add, Conv, FloatGraph, Mean, Norm, Operator, Pool
from hil.compiler.families.pooling import Window
from hil.compiler.families.reshape import Repeat, Upsample
from hil.compiler.families.scaling import Scaling
from hil.compiler.reading import convolutions as conv
from hil.compiler.reading.names import free_name
from hil.errors import HilError
from hil.reference.blocks import L2Norm
from hil.reference.rnnpool import RnnPool

INFINITY = float("inf")
CEILINGS: dict[type[nn.Module], float] = {nn.ReLU6: 6.0, nn.ReLU: INFINITY}
FUNCTIONS: dict[type[nn.Module], str] = {
    nn.Hardswish: "hard_swish", nn.Hardsigmoid: "hard_sigmoid", nn.SiLU: "silu", nn.Sigmoid: "sigmoid", nn.Tanh: "tanh",
}  # fmt: skip
CALLED = {  # functions, and methods of maps, that are as a module
    "relu": nn.ReLU(), "relu_": nn.ReLU(), "relu6": nn.ReLU6(), "hardswish": nn.Hardswish(), "sigmoid": nn.Sigmoid(),
    "hardsigmoid": nn.Hardsigmoid(), "silu": nn.SiLU(), "tanh": nn.Tanh(),
}  # fmt: skip
UNCHANGED = ("flatten", "contiguous", "squeeze", "view", "reshape", "dropout", "feature_dropout")
SIZES = ("size", "getattr", "getitem", "floordiv", "mul")  # of what a shape is made, not a map
KNOWN = (
    "Conv2d, ConvTranspose2d (stride 2), Linear, BatchNorm2d, BatchNorm1d, ReLU, ReLU6, LeakyReLU, Hardswish, "
    "Hardsigmoid, SiLU, Sigmoid, Tanh, MaxPool2d, AvgPool2d, AdaptiveAvgPool2d, Upsample (nearest, 2), RnnPool, "
    "L2Norm, Dropout, Identity, Flatten, and the functions add, cat, mul (a number a channel), mean, flatten, "
    "view, relu, max_pool2d, avg_pool2d, adaptive_avg_pool2d, interpolate"
)


class Lowering:
    """Walks the fx graph once; `self.tensors` maps each fx node to the tensor (name) that holds its value.

    The nodes' meta must have the shapes of their values.
    """

    def __init__(self, network: nn.Module, graph: FloatGraph) -> None:
        self.modules = dict(network.named_modules())
        self.graph = graph
        self.tensors: dict[fx.Node, str] = {}
        self.makers: dict[str, fx.Node] = {}  # of a tensor, the last node that has a part in its operator

    def run(self, traced: fx.Graph) -> Any:
        outputs: Any = None
        for node in traced.nodes:
            before = list(self.graph.operators)
            if node.op == "placeholder":
                self.tensors[node] = INPUT
            elif node.op == "output":
                outputs = fx.map_arg(node.args[0], lambda n: self.tensors[n])
            elif node.op == "call_module":
                self.tensors[node] = self._module(node, self.modules[str(node.target)], readable(str(node.target)))
            elif node.meta.get("shape") is not None and node.op != "get_attr":
                self.tensors[node] = self._function(node)
            if any(op is not old for op, old in zip_longest(self.graph.operators, before)):
                self.makers[self.tensors[node]] = node
        return outputs

    def _module(self, node: fx.Node, module: nn.Module, name: str) -> str:
        source = self._source(node)
        match module:
            case nn.Conv2d():
                return self._conv(node, module, name, source)
            case nn.ConvTranspose2d():
                made = self._append(conv.transposed(module, self._unique(f"{name}_conv"), source, where(node)))
                return self._append(Upsample(self._unique(name), (made,), True))
            case nn.Linear():
                return self._linear(node, module, name, source)
            case nn.BatchNorm2d() | nn.BatchNorm1d():
                if self._fusable(node, Conv, Dense) is None:
                    plain = conv.identity(module.num_features, self._unique(name), source)
                    return self._append(conv.fold(plain, module))
                return self._fuse(node, lambda op: conv.fold(cast(Conv, op), module))
            case nn.ReLU6() | nn.ReLU():
                ceiling = CEILINGS[type(module)]
                if self._fusable(node, Conv, Dense, Add) is None:
                    kind = "relu6" if ceiling == 6 else "relu"
                    return self._append(Function(self._unique(name), (source,), kind))
                return self._fuse(node, lambda op: replace(cast(Conv, op), ceiling=ceiling))
            case nn.LeakyReLU():
                return self._append(Function(self._unique(name), (source,), "leaky_relu", module.negative_slope))
            case nn.MaxPool2d() | nn.AvgPool2d():
                return self._window(node, module, name, source)
            case nn.AdaptiveAvgPool2d():
                return self._adaptive(node, name, source)
            case nn.Upsample() | nn.UpsamplingNearest2d():
                return self._upsample(node, module.mode, name, source)
            case RnnPool():
                return self._append(Pool(self._unique(name), source, module))
            case L2Norm():
                return self._append(Norm(self._unique(name), source, conv.array(module.weight)))
            case nn.Dropout() | nn.Dropout2d() | nn.Identity() | nn.Flatten():
                return source
        if type(module) in FUNCTIONS:
            return self._append(Function(self._unique(name), (source,), FUNCTIONS[type(module)]))
        raise unknown(type(module).__name__, node)

    def _function(self, node: fx.Node) -> str:
        target = node.target
        what = target if isinstance(target, str) else getattr(target, "__name__", str(target))
        name = f"{readable(_owner(node))}_{what.rstrip('_')}"
        if target in (operator.add, operator.iadd, torch.add) or what in ("add", "add_"):
            if any(not isinstance(a, fx.Node) or a not in self.tensors for a in node.args[:2]):
                raise unknown("add of a constant", node)
            one, other = (self.tensors[cast(fx.Node, a)] for a in node.args[:2])
            return self._append(Add(self._unique(f"{readable(_owner(node))}_add"), one, other))
        if what in ("mul", "imul", "mul_", "multiply"):
            return self._scaling(node)
        if what in ("cat", "concat", "concatenate"):
            return self._concat(node, name)
        if what == "mean" and _value(node, 1, "dim", ()) in ([2, 3], (2, 3), (-2, -1), [-2, -1], (3, 2), (-1, -2)):
            return self._append(Mean(self._unique("mean"), self._source(node)))
        if what in CALLED:
            return self._module(node, CALLED[what], name)
        if what == "leaky_relu":
            return self._module(node, nn.LeakyReLU(_value(node, 1, "negative_slope", 0.01)), name)
        if what in ("max_pool2d", "avg_pool2d", "boolean_dispatch", "fn"):
            kind = nn.AvgPool2d if what == "avg_pool2d" else nn.MaxPool2d
            kernel = _value(node, 1, "kernel_size", None)
            stride, padding = _value(node, 2, "stride", None), _value(node, 3, "padding", 0)
            return self._module(node, kind(kernel, stride or kernel, padding), name)
        if what == "adaptive_avg_pool2d":
            return self._adaptive(node, name, self._source(node))
        if what == "interpolate":
            return self._upsample(node, _value(node, 3, "mode", "nearest"), name, self._source(node))
        if what in UNCHANGED:
            return self._unchanged(node, what)
        raise unknown(what, node)

    # -- what takes more than a line

    def _conv(self, node: fx.Node, module: nn.Conv2d, name: str, source: str) -> str:
        if module.groups > 1 and module.groups == module.in_channels != module.out_channels:
            times = module.out_channels // module.in_channels
            source = self._append(Repeat(self._unique(f"{name}_repeat"), (source,), times))
        return self._append(conv.convolution(module, self._unique(name), source, where(node)))

    def _linear(self, node: fx.Node, module: nn.Linear, name: str, source: str) -> str:
        shape = _shape_of(node)
        if len(shape) != 2:
            raise unknown(f"Linear of a map of {'x'.join(map(str, shape[1:]))} (flatten it first)", node)
        channels, height, width = self._map_shape(node)
        weight = conv.array(module.weight).reshape(-1, channels, height, width)
        bias = conv.bias(module)
        if (height, width) == (1, 1):
            return self._append(Conv(self._unique(name), source, weight, bias))
        return self._append(Dense(self._unique(name), (source,), weight, bias))

    def _map_shape(self, node: fx.Node) -> tuple[int, int, int]:
        """(C, H, W) of the map behind a flattened value."""
        before = cast(fx.Node, node.args[0])
        while before.args and self._passes(before):
            before = cast(fx.Node, before.args[0])
        shape = tuple(before.meta["shape"])
        return (shape[1], shape[2], shape[3]) if len(shape) == 4 else (shape[1], 1, 1)

    def _window(self, node: fx.Node, module: nn.MaxPool2d | nn.AvgPool2d, name: str, source: str) -> str:
        kernel, stride, padding = (_square(v) for v in (module.kernel_size, module.stride, module.padding))
        is_largest = isinstance(module, nn.MaxPool2d)
        what = f"{type(module).__name__}({module.extra_repr()})"
        if kernel is None or stride is None or padding is None or kernel > conv.MAX_KERNEL:
            raise unknown(f"{what} (square windows of at most {conv.MAX_KERNEL}x{conv.MAX_KERNEL})", node)
        if isinstance(module, nn.MaxPool2d) and _square(module.dilation) != 1:
            raise unknown(f"{what} (undilated)", node)
        if isinstance(module, nn.AvgPool2d) and padding and (not module.count_include_pad or module.divisor_override):
            raise unknown(f"{what} (an average counts the zeros around the map, or has no padding)", node)
        height, width = _shape_of(node)[2:]
        if module.ceil_mode and any((n + 2 * padding - kernel) % stride for n in (height, width)):
            raise unknown(f"{what} of {width}x{height} pixels (whole windows only: ceil_mode=False)", node)
        return self._append(Window(self._unique(name), (source,), kernel, stride, padding, is_largest))

    def _adaptive(self, node: fx.Node, name: str, source: str) -> str:
        before, after = _shape_of(node)[2:], tuple(node.meta["shape"])[2:]
        if after == (1, 1):
            return self._append(Mean(self._unique(name), source))
        kernel = before[0] // after[0]
        if before != (kernel * after[0], kernel * after[1]) or kernel > conv.MAX_KERNEL:
            raise unknown(f"AdaptiveAvgPool2d from {before} to {after} (equal, square windows only)", node)
        return self._append(Window(self._unique(name), (source,), kernel, kernel, 0, False))

    def _upsample(self, node: fx.Node, mode: str, name: str, source: str) -> str:
        before, after = _shape_of(node)[2:], tuple(node.meta["shape"])[2:]
        if mode not in ("nearest", "nearest-exact") or after != (2 * before[0], 2 * before[1]):
            raise unknown(f"upsampling ({mode}) from {before} to {after} (nearest, by 2, only)", node)
        return self._append(Upsample(self._unique(name), (source,), False))

    def _concat(self, node: fx.Node, name: str) -> str:
        parts = cast(list[fx.Node], _value(node, 0, "tensors", []))
        if _value(node, 1, "dim", 0) not in (1, -3) or len(node.meta["shape"]) != 4:
            raise unknown("cat along another dimension than the channels", node)
        if len(parts) > MOST_INPUTS:
            raise unknown(f"cat of {len(parts)} maps (at most {MOST_INPUTS}: cat some of them first)", node)
        return self._append(Concat(self._unique(name), tuple(self.tensors[part] for part in parts)))

    def _scaling(self, node: fx.Node) -> str:
        parts = [a for a in node.args[:2] if isinstance(a, fx.Node) and a in self.tensors]
        parts.sort(key=lambda part: part.meta["shape"][2:].numel(), reverse=True)
        shapes = [tuple(part.meta["shape"]) for part in parts]
        if len(shapes) != 2 or any(len(shape) != 4 for shape in shapes) or shapes[1][1:] != (shapes[0][1], 1, 1):
            raise unknown("a product (of a map with a number a channel, (N, C, 1, 1), only)", node)
        name = self._unique(f"{readable(_owner(node))}_scaled")
        return self._append(Scaling(name, tuple(self.tensors[part] for part in parts)))

    def _unchanged(self, node: fx.Node, what: str) -> str:
        before, after = _shape_of(node), tuple(node.meta["shape"])
        if after not in (before, (1, before[1] * (before[2] * before[3] if len(before) == 4 else 1))):
            raise unknown(f"{what} from {before} to {after}", node)
        return self._source(node)

    # -- the graph so far

    def _source(self, node: fx.Node) -> str:
        before = node.args[0] if node.args else None
        if not isinstance(before, fx.Node) or before not in self.tensors:
            raise unknown(f"{node.target} of something that is no map", node)
        return self.tensors[before]

    def _append(self, op: Operator) -> str:
        self.graph.operators.append(op)
        return op.name

    def _fusable(self, node: fx.Node, *kinds: type) -> int | None:
        """The index of the operator that a batch norm or activation may become part of: nothing else reads it."""
        before = node.args[0]
        while isinstance(before, fx.Node) and len(before.users) == 1:
            for i, op in enumerate(self.graph.operators):
                if op.name == self.tensors[before] and isinstance(op, kinds) and op.ceiling is None:  # type: ignore
                    return i
            before = before.args[0] if before.args and self._passes(before) else None
        return None

    def _passes(self, node: fx.Node) -> bool:
        """Whether a node only hands on what it gets."""
        source = node.args[0]
        return isinstance(source, fx.Node) and self.tensors.get(source) == self.tensors.get(node)

    def _fuse(self, node: fx.Node, change: Callable[[Operator], Operator]) -> str:
        index = self._fusable(node, Conv, Dense, Add)
        assert index is not None
        self.graph.operators[index] = change(self.graph.operators[index])
        return self.graph.operators[index].name

    def _unique(self, name: str) -> str:
        taken, name = {INPUT, *(op.name for op in self.graph.operators)}, free_name(name)
        return name if name not in taken else next(n for i in range(1, 1000) if (n := f"{name}_{i}") not in taken)


def unknown(what: str, node: fx.Node) -> HilError:
    """The complaint about an operator that has no layer."""
    return HilError(f"the compiler does not know {what} at {where(node)}: it takes networks made of {KNOWN}")


def where(node: fx.Node) -> str:
    """A node's place in the network: the module's path, or the line of the function's call."""
    if node.op == "call_module":
        return str(node.target)
    lines = re.findall(r'File "((?:(?!/torch/|/hil/)[^"])+)", line (\d+)', node.stack_trace or "")  # the user's own
    what = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", node.name)
    return (
        f"{_owner(node)} ({what}, {Path(lines[-1][0]).name} line {lines[-1][1]})"
        if lines
        else f"{_owner(node)} ({what})"
    )


def _owner(node: fx.Node) -> str:
    """The path of the module whose forward made this node."""
    stack = node.meta.get("nn_module_stack") or {}
    return list(stack)[-1] if stack else "network"


def _shape_of(node: fx.Node) -> tuple[int, ...]:
    """The shape of a node's first input."""
    return tuple(cast(fx.Node, node.args[0]).meta["shape"])


def _value(node: fx.Node, index: int, name: str, default: Any) -> Any:
    """An argument of a call that is no map, however it was passed."""
    return node.kwargs.get(name, node.args[index] if len(node.args) > index else default)


def _square(value: Any) -> int | None:
    """The one number of a size that is the same in both directions."""
    if isinstance(value, (tuple, list)):
        return int(value[0]) if value[0] == value[-1] else None
    return int(value)


def readable(path: str) -> str:
    """A C identifier from a module path: layers.mob0.expand.conv -> mob0_expand, norms.0 -> norm0."""
    path = re.sub(r"^(network\.)?(layers|features)\.(?!\d)|^network\.", "", path)
    path = re.sub(r"\.conv$", "", path)
    path = re.sub(r"^([a-z]+?)s?\.(\d+)", r"\1\2", path)
    path = re.sub(r"[^a-z0-9]+", "_", path.lower()).strip("_") or "network"
    return f"layer{path}" if path[0].isdigit() else path
