"""The values around a map. The firmware has one row of them for each map, so all its readers must agree.

Zeros, for all but those that look for the largest value of a window: for them it must be the least there is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeGuard

from hil.compiler.families.concat import Concat
from hil.compiler.families.dense import Dense
from hil.compiler.families.functions import NEVER_NEGATIVE, Function
from hil.compiler.families.operators import Add, Conv, FloatGraph, Mean
from hil.compiler.families.pooling import QWindow, Window
from hil.compiler.families.reshape import Repeat, Upsample
from hil.compiler.families.scaling import Scaling
from hil.compiler.quantised import graph as q


def outside(graph: q.QuantisedGraph, tensor: q.Tensor) -> int:
    """The value around a map that is not the image: 0, or int8's least."""
    padded = [user for user in graph.users(tensor.name) if isinstance(user, q.QConv | QWindow) and user.padding]
    is_low = any(isinstance(user, QWindow) and user.is_largest for user in padded) and tensor.dtype == "int8"
    return q.LIMITS["int8"][0] if is_low else 0


def separate(graph: FloatGraph) -> None:
    """Gives windows whose largest value is looked for a copy of a map that others pad with zeros."""
    for op in list(graph.operators):
        if not _pads_with_least(op) or is_never_negative(graph, op.inputs[0]):
            continue
        others = [user for user in graph.users(op.inputs[0]) if getattr(user, "padding", 0)]
        if all(_pads_with_least(user) for user in others):
            continue
        copy = Repeat(f"{op.name}_input", op.inputs, 1)
        place = graph.operators.index(op)
        graph.operators[place : place + 1] = [copy, replace(op, inputs=(copy.name,))]


def is_never_negative(graph: FloatGraph, tensor: str) -> bool:
    """Whether the firmware holds a tensor without a sign."""
    op = next((op for op in graph.operators if op.name == tensor), None)
    match op:
        case Conv() | Dense() | Add():
            return op.ceiling is not None
        case Function():
            return op.kind in NEVER_NEGATIVE
        case Window() | Repeat() | Upsample() | Concat() | Mean() | Scaling():
            return all(is_never_negative(graph, source) for source in op.inputs)
    return False


def _pads_with_least(op: object) -> TypeGuard[Window]:
    return isinstance(op, Window) and op.is_largest and op.padding > 0
