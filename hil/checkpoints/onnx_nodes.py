"""ONNX nodes as those of a description (hil.reference.described): one function, a case an operator."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hil.errors import HilError

KNOWN = (
    "Conv, ConvTranspose, Gemm, MatMul, BatchNormalization, Relu, Clip (0 to 6), LeakyRelu, HardSwish, HardSigmoid, "
    "Sigmoid, Tanh, MaxPool, AveragePool, GlobalAveragePool, ReduceMean, Concat, Add, Flatten, Reshape, Squeeze, "
    "Resize, "
    "Identity, Dropout, and RNNPool, recognised or named by --map"
)
Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class OnnxNode:
    """A node of an ONNX graph with its attributes as Python values. outputs: those that something reads."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    @property
    def output(self) -> str:
        """The first of those that something reads."""
        return self.outputs[0] if self.outputs else ""


@dataclass
class Description:
    """What the nodes have become so far.

    names: of ONNX values, as nodes of the description; weights: by their names in the network's state dict.
    """

    constants: dict[str, np.ndarray]
    shapes: dict[str, tuple[int, ...]]
    names: dict[str, str]
    nodes: list[dict[str, Any]] = field(default_factory=list)
    weights: Weights = field(default_factory=dict)

    def add(
        self, node: OnnxNode, kind: str, inputs: list[str], weights: Weights | None = None, **arguments: Any
    ) -> None:
        """Appends a node that makes `node.output`."""
        stem = {"Conv2d": "conv", "Linear": "linear", "RnnPool": "rnnpool", "Add": "add"}.get(kind, kind.lower())
        name = f"{stem}{sum(other['name'].startswith(stem) for other in self.nodes)}"
        read = [self.source(node, value) for value in inputs]
        self.nodes.append({"name": name, "kind": kind, "inputs": read, "args": arguments})
        self.weights |= {f"network.layers.{name}.{key}": value for key, value in (weights or {}).items()}
        self.names[node.output] = name

    def source(self, node: OnnxNode, value: str) -> str:
        if value not in self.names:
            raise refused(node, f"reads {value!r}, which no layer makes")
        return self.names[value]


def describe(node: OnnxNode, to: Description) -> None:
    """Adds what a node does. Raises HilError, with the node's name, for what the bench does not know."""
    first = node.inputs[0]
    match node.op:
        case "Conv" | "ConvTranspose":
            _conv(node, to)
        case "Gemm":
            weight = to.constants[node.inputs[1]]
            weight = weight if node.attributes.get("transB") else weight.T
            bias = to.constants[node.inputs[2]] if len(node.inputs) > 2 else None
            if node.attributes.get("transA") or {node.attributes.get(key, 1.0) for key in ("alpha", "beta")} != {1.0}:
                raise refused(node, "has alpha, beta or transA")
            _linear(node, to, first, weight, bias)
        case "MatMul" if node.inputs[1] in to.constants and to.constants[node.inputs[1]].ndim == 2:
            _linear(node, to, first, to.constants[node.inputs[1]].T, None)
        case "Add" if len(constant := [v for v in node.inputs if v in to.constants]) == 1:
            _bias(node, to, next(v for v in node.inputs if v not in to.constants), to.constants[constant[0]])
        case "Add":
            to.add(node, "Add", list(node.inputs))
        case "Mul":
            _product(node, to)
        case "BatchNormalization":
            values = dict(
                zip(("weight", "bias", "running_mean", "running_var"), _constants(node, to, 1, 5), strict=True)
            )
            counter = {"num_batches_tracked": np.zeros((), np.int64)}
            eps = node.attributes.get("epsilon", 1e-5)
            to.add(node, "BatchNorm2d", [first], values | counter, num_features=len(values["weight"]), eps=eps)
        case "Relu" | "Sigmoid" | "Tanh" | "HardSwish":
            kind = {"Relu": "ReLU", "HardSwish": "Hardswish"}.get(node.op, node.op)
            to.add(node, kind, [first])
        case "Clip":
            low, high = (float(value) for value in _constants(node, to, 1, 3))
            if (low, high) != (0.0, 6.0):
                raise refused(node, f"clips to {low} and {high}, expected 0 and 6")
            to.add(node, "ReLU6", [first])
        case "HardSigmoid" if abs(node.attributes.get("alpha", 0.2) - 1 / 6) < 1e-6:
            to.add(node, "Hardsigmoid", [first])
        case "LeakyRelu":
            to.add(node, "LeakyReLU", [first], negative_slope=node.attributes.get("alpha", 0.01))
        case "MaxPool" | "AveragePool":
            _pool(node, to)
        case "GlobalAveragePool":
            to.add(node, "AdaptiveAvgPool2d", [first], output_size=1)
        case "ReduceMean":
            to.add(node, "AdaptiveAvgPool2d", [first], output_size=1)
            if not node.attributes.get("keepdims", 1):
                to.add(OnnxNode("Flatten", node.name, (node.output,), (node.output,), {}), "Flatten", [node.output])
        case "Concat" if node.attributes.get("axis") in (1, -3):
            to.add(node, "Concat", list(node.inputs))
        case "Flatten" | "Reshape" | "Squeeze":
            _reshape(node, to)
        case "Resize" | "Upsample":
            before, after = to.shapes.get(first, ()), to.shapes.get(node.output, ())
            if node.attributes.get("mode", b"nearest") not in (b"nearest", "nearest") or [
                2 * n for n in before[2:]
            ] != list(after[2:]):
                raise refused(node, f"changes {before} to {after}: nearest, by 2, only")
            to.add(node, "Upsample", [first], scale_factor=2)
        case "Identity" | "Dropout" | "Cast":
            to.names[node.output] = to.source(node, first)
        case _:
            raise refused(node, "")


def refused(node: OnnxNode, why: str) -> HilError:
    """The complaint about a node, with what is known."""
    said = f" {why}" if why else " is not known"
    return HilError(f"{node.op} at {node.name or node.output}{said}: the bench takes ONNX made of {KNOWN}")


def _constants(node: OnnxNode, to: Description, first: int, last: int) -> list[np.ndarray]:
    if any(value not in to.constants for value in node.inputs[first:last]) or len(node.inputs) < last:
        raise refused(node, "has values that are not constant")
    return [to.constants[value] for value in node.inputs[first:last]]


def _conv(node: OnnxNode, to: Description) -> None:
    weight = _constants(node, to, 1, 2)[0]
    bias = to.constants.get(node.inputs[2]) if len(node.inputs) > 2 else None
    attributes, groups = node.attributes, int(node.attributes.get("group", 1))
    if weight.ndim != 4 or attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", "NOTSET"):
        raise refused(node, "is no convolution of maps with explicit padding")
    arguments: dict[str, Any] = {
        "kernel_size": list(weight.shape[2:]),
        "stride": list(attributes.get("strides", (1, 1))),
        "padding": _padding(node),
        "dilation": list(attributes.get("dilations", (1, 1))),
        "groups": groups,
        "bias": bias is not None,
    }
    outputs, inputs = weight.shape[0], weight.shape[1] * groups
    kind = "Conv2d"
    if node.op == "ConvTranspose":
        kind, inputs, outputs = "ConvTranspose2d", weight.shape[0], weight.shape[1] * groups
        arguments["output_padding"] = list(attributes.get("output_padding", (0, 0)))
    weights = {"weight": weight} | ({} if bias is None else {"bias": bias})
    to.add(node, kind, [node.inputs[0]], weights, in_channels=inputs, out_channels=outputs, **arguments)


def _padding(node: OnnxNode) -> list[int]:
    pads = list(node.attributes.get("pads", (0, 0, 0, 0)))
    if pads[:2] != pads[2:]:
        raise refused(node, f"pads its map unevenly ({pads})")
    return pads[:2]


def _linear(node: OnnxNode, to: Description, source: str, weight: np.ndarray, bias: np.ndarray | None) -> None:
    weights = {"weight": np.ascontiguousarray(weight)} | ({} if bias is None else {"bias": bias.reshape(-1)})
    shape = {"in_features": weight.shape[1], "out_features": weight.shape[0]}
    to.add(node, "Linear", [source], weights, bias=bias is not None, **shape)


def _bias(node: OnnxNode, to: Description, source: str, bias: np.ndarray) -> None:
    """A constant that is added to what a fully connected layer without a bias has made."""
    before = next((other for other in to.nodes if other["name"] == to.source(node, source)), None)
    if before is None or before["kind"] != "Linear" or before["args"]["bias"]:
        raise refused(node, "adds a constant to a map")
    before["args"]["bias"] = True
    to.weights[f"network.layers.{before['name']}.bias"] = bias.reshape(-1)
    to.names[node.output] = before["name"]


def _product(node: OnnxNode, to: Description) -> None:
    """x * sigmoid(x) and x * hard_sigmoid(x), as exporters write SiLU and hard swish."""
    kinds = {"Sigmoid": "SiLU", "Hardsigmoid": "Hardswish"}
    for gate, x in (node.inputs, reversed(node.inputs)):
        made = next((other for other in to.nodes if other["name"] == to.names.get(gate)), None)
        if made is not None and made["kind"] in kinds and made["inputs"] == [to.names.get(x)]:
            to.nodes.remove(made)
            to.add(node, kinds[made["kind"]], [x])
            return
    raise refused(node, "multiplies two maps")


def _pool(node: OnnxNode, to: Description) -> None:
    arguments: dict[str, Any] = {
        "kernel_size": list(node.attributes["kernel_shape"]),
        "stride": list(node.attributes.get("strides", (1, 1))),
        "padding": _padding(node),
        "ceil_mode": bool(node.attributes.get("ceil_mode", 0)),
    }
    if node.op == "AveragePool":
        arguments["count_include_pad"] = bool(node.attributes.get("count_include_pad", 0))
    to.add(node, "MaxPool2d" if node.op == "MaxPool" else "AvgPool2d", [node.inputs[0]], **arguments)


def _reshape(node: OnnxNode, to: Description) -> None:
    before, after = to.shapes.get(node.inputs[0], ()), to.shapes.get(node.output, ())
    if len(after) != 2 or not before or int(np.prod(before[1:])) != after[1]:
        raise refused(node, f"makes {after} of {before}: only a vector of a map")
    to.add(node, "Flatten", [node.inputs[0]])
