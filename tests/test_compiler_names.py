"""Layers may be called anything: what the generated C names after them is nobody else's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from networks import images, quantised
from test_compiler_c import CASES, Program, needs_gcc
from test_layers import CASES as LAYERS
from test_layers import KINDS
from torch import nn

from hil import board as boards
from hil.compiler import detect, make_plan, run
from hil.compiler.emit import model_source
from hil.compiler.kernels.weights import weights_header
from hil.compiler.reading.names import SUFFIXES, free_name, kernel_names
from hil.reference.own import classifier

ODD = ("conv", "cell", "chain", "depthwise", "model", "int", "default", "tap", "image", "nodes", "main", "boxes0")


class OddlyNamed(nn.Module):
    """A convolution under each name."""

    def __init__(self) -> None:
        super().__init__()
        for i, name in enumerate(ODD):
            self.add_module(name, nn.Conv2d(8 if i else 3, 8, 3, 2 if i < 2 else 1, 1))
        self.last = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for name in ODD:
            x = torch.relu(getattr(self, name)(x))
        return self.last(x.mean((2, 3)))


@needs_gcc
def test_layers_of_any_name_build_and_are_bit_exact(tmp_path: Path) -> None:
    own = classifier(OddlyNamed(), "odd", (3, 24, 24), ("a", "b"))
    graph, image = quantised(own), images(own)[0]
    made, _ = Program(graph, tmp_path).run(image)
    assert (made["conv_layer"] == run(graph, image)["conv_layer"]).all() and not len(detect(graph, run(graph, image)))


SOME = ("tiny", "c", "classifier", "random 2", "m4 in blocks, tied")  # of each family of networks


@pytest.mark.parametrize("case", [*SOME, *(f"layer {kind}" for kind in KINDS)])
def test_every_end_of_an_identifier_is_known(case: str) -> None:
    """Else a layer's could be one of the kernels' without anybody having looked."""
    graph = quantised((CASES | {f"layer {kind}": LAYERS[kind] for kind in KINDS})[case]())
    plan = make_plan(graph, boards.load("stm32f429_disco"))
    text = model_source(graph, plan) + weights_header(graph)
    names = {layer.name for layer in graph.layers} | {graph.model}
    for identifier in set(re.findall(r"\b[a-z]\w*", text)) - names - kernel_names():
        if owners := [name for name in names if identifier.startswith(f"{name}_")]:
            assert identifier.removeprefix(max(owners, key=len))[1:].rstrip("0123456789") in SUFFIXES, identifier


def test_only_what_collides_is_called_otherwise() -> None:
    assert free_name("conv") == "conv_layer"
    for name in ("conv0", "rnnpool", "head", "pool", "norm"):
        assert free_name(name) == name
