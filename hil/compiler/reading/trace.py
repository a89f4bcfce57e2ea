"""From a torch network to the float operator graph: torch.fx traces it, a run on zeros gives the shapes of its maps."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from hil.compiler.families.operators import Conv, FloatGraph, Head
from hil.compiler.reading.lowering import KNOWN, Lowering, where
from hil.compiler.reading.padding import separate
from hil.errors import HilError
from hil.reference.blocks import L2Norm
from hil.reference.rnnpool import RnnPool

LIBRARIES = ("torch", "hil")  # whose lines of a traceback are not the user's


def trace(network: nn.Module) -> FloatGraph:
    """The operator graph of a network in evaluation mode.

    network: a detector (its `maps` is traced), a classifier or one of plain tensors (their `forward` is), with a `spec`
    that gives input_shape (C, H, W), input_mean and input_scale. Raises HilError that names an operator which the
    compiler does not know, a shape that does not come out, or control flow that depends on the image, and where.
    """
    spec: Any = network.spec
    _, lowering, outputs = _lowered(network)
    graph = lowering.graph
    separate(graph)
    if hasattr(network, "maps"):
        graph.heads = [Head(loc, conf) for loc, conf in outputs]
        _merge_heads(graph)
    elif getattr(spec, "outputs", None) is not None:
        graph.outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        _refuse_twice(graph.outputs, spec.outputs)
    else:
        graph.output = outputs
    return graph


def _refuse_twice(made: list[str], names: Sequence[str]) -> None:
    """Raise HilError where two outputs are one and the same map."""
    for i, (layer, name) in enumerate(zip(made, names, strict=True)):
        if layer in made[:i]:
            raise HilError(f"{names[made.index(layer)]} and {name} are one and the same map: return it once")


def makers(network: nn.Module) -> tuple[fx.Graph, dict[fx.Node, str], list[Head]]:
    """A network's own nodes, and by name the tensor of the operator graph that each makes; a detector's heads.

    A tensor that no node makes by itself is left out; heads bear the names that they have before they are merged.
    """
    traced, lowering, outputs = _lowered(network, with_lines=False)
    heads = [Head(loc, conf) for loc, conf in outputs] if hasattr(network, "maps") else []
    return traced, {node: name for name, node in lowering.makers.items()}, heads


def _lowered(network: nn.Module, with_lines: bool = True) -> tuple[fx.Graph, Lowering, Any]:
    """The nodes, what they became, and the names of the tensors that leave the network.

    with_lines: nodes know their lines of code, which errors name; torch loads its compilers for that, most of a second.
    """
    spec: Any = network.spec
    channels, height, width = spec.input_shape
    traced = _traced(network.eval(), "maps" if hasattr(network, "maps") else "forward", with_lines)
    _find_shapes(network, traced, spec.input_shape)
    lowering = Lowering(network, FloatGraph((height, width, channels), spec.input_mean, spec.input_scale))
    return traced, lowering, lowering.run(traced)


class _Tracer(fx.Tracer):
    def __init__(self, method: str, with_lines: bool) -> None:
        super().__init__()
        self.traced_func_name = method
        self.record_stack_traces = with_lines

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (RnnPool, L2Norm)) or super().is_leaf_module(m, module_qualified_name)


def _traced(network: nn.Module, method: str, with_lines: bool) -> fx.Graph:
    try:
        return _Tracer(method, with_lines).trace(network)
    except Exception as error:  # whatever the network's own code makes of a value that is not there yet
        name = type(network).__name__
        line = _own_line(error)
        if isinstance(error, fx.proxy.TraceError) or "Proxy" in str(error):
            raise HilError(
                f"{name}{line} decides by the values of a map what to compute next: the firmware computes the same for "
                "every image, so use a layer in its place"
            ) from error
        raise HilError(f"{name}{line} cannot be followed ({_first_line(error)})") from error


class _Shapes(fx.Interpreter):
    """Runs the graph on zeros; each node's meta gets the shape of its value."""

    def run_node(self, n: fx.Node) -> Any:
        try:
            value = super().run_node(n)
        except HilError:
            raise
        except Exception as error:  # torch's own types, and whatever a user's module raises
            shapes = [tuple(a.meta["shape"]) for a in n.all_input_nodes if a.meta.get("shape") is not None]
            sizes = " and ".join("x".join(map(str, shape[1:])) for shape in shapes)
            raise HilError(f"{where(n)} does not fit what it gets, maps of {sizes}: {_first_line(error)}") from error
        n.meta["shape"] = value.shape if isinstance(value, torch.Tensor) else None
        return value


@torch.no_grad()
def _find_shapes(network: nn.Module, traced: fx.Graph, input_shape: tuple[int, int, int]) -> None:
    _Shapes(network, graph=traced).run(torch.zeros(1, *input_shape))


def _own_line(error: Exception) -> str:
    """Where in the user's own code an error arose."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not any(f"/{library}/" in f.filename for library in LIBRARIES)]
    return f", {Path(own[-1].filename).name} line {own[-1].lineno}," if own else ""


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


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
    return conv.input, conv.weight.shape[1:], conv.stride, conv.padding, conv.groups, conv.ceiling, conv.dilation


__all__ = ["KNOWN", "trace"]
