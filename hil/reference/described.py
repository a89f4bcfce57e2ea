"""A network as a description that a checkpoint can hold: what imports of other formats become.

The description is JSON: the task (what hil.reference.own needs to know) and a list of nodes, each with a name, a kind,
the names of what it reads, and its arguments. Names are of nodes; "image" is the input.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from hil.errors import HilError
from hil.reference.own import OwnClassifier, Tensors, classifier, tensors
from hil.reference.rnnpool import RnnPool

MODULES: dict[str, Callable[..., nn.Module]] = {
    kind.__name__: kind
    for kind in (
        nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.Hardswish,
        nn.Hardsigmoid, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Upsample,
        nn.Flatten, nn.Identity, RnnPool,
    )
}  # fmt: skip
INPUT = "image"


class Described(nn.Module):
    """The nodes of a description, run in their order. outputs: the names of those that leave the network."""

    def __init__(self, nodes: list[dict[str, Any]], outputs: list[str]) -> None:
        super().__init__()
        self.nodes, self.outputs = nodes, outputs
        self.layers = nn.ModuleDict(
            {node["name"]: _module(node) for node in nodes if node["kind"] not in ("Add", "Concat")}
        )

    def forward(self, x: Tensor) -> Any:
        values = {INPUT: x}
        for node in self.nodes:
            inputs = [values[name] for name in node["inputs"]]
            match node["kind"]:
                case "Add":
                    values[node["name"]] = inputs[0] + inputs[1]
                case "Concat":
                    values[node["name"]] = torch.cat(inputs, 1)
                case _:
                    values[node["name"]] = self.layers[node["name"]](inputs[0])
        found = [values[name] for name in self.outputs]
        return found[0] if len(found) == 1 else tuple(found)


def network_of(text: str) -> OwnClassifier | Tensors:
    """The network of a description, freshly initialised. Raises HilError where it is none."""
    try:
        found = json.loads(text)
        body = Described(found["nodes"], found["outputs"])
        task = found["task"]
        levels = {"input_mean": task["input_mean"], "input_scale": task["input_scale"]}
        shape = cast(tuple[int, int, int], tuple(task["input_shape"]))
        network: OwnClassifier | Tensors
        if task["classes"]:
            network = classifier(body, task["name"], shape, task["classes"], **levels)
        else:
            network = tensors(body, task["name"], shape, task["outputs"], **levels)
    except HilError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, RuntimeError, OverflowError) as error:
        raise HilError(
            f"the checkpoint's description of its network is damaged ({error!r}): import it again"
        ) from error
    network.described = text  # type: ignore[assignment]
    return network


def _module(node: dict[str, Any]) -> nn.Module:
    if node["kind"] not in MODULES:
        raise HilError(
            f"the checkpoint's network has a {node['kind']}, which this version does not know: update rnnpool-hil"
        )
    return MODULES[node["kind"]](**node["args"])
