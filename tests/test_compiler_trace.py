"""Tracing: folding keeps the function, names are readable, what is unknown is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import TINY, Classifier, detector, images, randomise, small
from torch import nn

from hil.compiler.reading.calibrate import run_float
from hil.compiler.reading.trace import trace
from hil.errors import HilError


def _maps(network: nn.Module, image: np.ndarray) -> list[torch.Tensor]:
    with torch.no_grad():
        x = network.normalise(torch.from_numpy(image).permute(2, 0, 1)[None])
        return [torch.cat(pair, 1)[0] for pair in network.maps(x)]


@pytest.mark.parametrize("network", [detector(TINY), small("rnnpool_face_m4", 72, 88)])
def test_the_operator_graph_computes_what_the_network_does(network: nn.Module) -> None:
    graph, image = trace(network), images(network, 1)[0]
    tensors = run_float(graph, image)
    for head, expected in zip(graph.heads, _maps(network, image), strict=True):
        found = tensors[head.loc] if head.loc == head.conf else torch.cat([tensors[head.loc], tensors[head.conf]])
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_a_classifier_ends_in_its_logits() -> None:
    network = randomise(Classifier())
    graph, image = trace(network), images(network, 1)[0]
    mean, scale = (torch.tensor(v).view(-1, 1, 1) for v in (network.spec.input_mean, network.spec.input_scale))
    with torch.no_grad():
        expected = network(((torch.from_numpy(image).permute(2, 0, 1) - mean) * scale)[None])[0]
    assert graph.output is not None
    torch.testing.assert_close(run_float(graph, image)[graph.output].flatten(), expected, rtol=1e-3, atol=1e-3)


def test_names_come_from_the_modules() -> None:
    names = [op.name for op in trace(small("rnnpool_face_m4", 72, 88)).operators]
    assert names[:6] == ["conv0", "rnnpool", "mob0_expand", "mob0_depthwise", "mob0_project", "norm0"]
    assert len(set(names)) == len(names)
    assert {"head0", "mob1_add", "norm2", "head3"} <= set(names)


def test_heads_with_layers_of_their_own_are_not_merged() -> None:
    graph = trace(small("rnnpool_face_quant", 128, 160))
    assert (graph.heads[0].loc, graph.heads[0].conf) == ("loc0_1", "conf0_1")
    assert graph.heads[1].loc == graph.heads[1].conf == "head1"


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (nn.GELU(), "GELU"),
        (nn.Conv2d(12, 12, 3, dilation=(1, 2), padding=1), "dilation"),
        (nn.Conv2d(12, 12, 3, groups=3), "groups=3"),
        (nn.Conv2d(12, 12, (1, 3)), "kernel_size=(1, 3)"),
        (nn.Conv2d(12, 12, 17, padding=8), "at most 15x15"),
        (nn.Conv2d(12, 12, 3, padding=(0, 1)), "the same number on all sides"),
        (nn.MaxPool2d((1, 2)), "square windows"),
        (nn.AdaptiveAvgPool2d(4), "equal, square windows only"),
        (nn.ConvTranspose2d(12, 12, 3, 3), "of stride 2"),
        (nn.Upsample(scale_factor=2, mode="bilinear"), "nearest, by 2"),
    ],
)
def test_an_unknown_operator_is_named(module: nn.Module, name: str) -> None:
    network = Classifier()
    network.dropout = nn.Identity()
    network.last = nn.Sequential(network.last, module)
    with pytest.raises(HilError) as caught:
        trace(network)
    assert name in str(caught.value)
    assert "last" in str(caught.value)


def test_an_unknown_function_is_named_with_its_module() -> None:
    class Odd(Classifier):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.softmax(super().forward(x), 1)

    with pytest.raises(HilError, match="softmax"):
        trace(Odd())


def test_a_batch_norm_may_not_fold_into_a_convolution_that_others_read() -> None:
    class Shared(Classifier):
        def __init__(self) -> None:
            super().__init__()
            self.plain, self.norm = nn.Conv2d(12, 12, 1), nn.BatchNorm2d(12)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.plain(self.last(self.block(self.pool(self.conv(x)))))
            return self.linear((y + self.norm(y)).mean([2, 3]))

    network = randomise(Shared())
    graph, image = trace(network), images(network, 1)[0]
    mean, scale = (torch.tensor(v).view(-1, 1, 1) for v in (network.spec.input_mean, network.spec.input_scale))
    with torch.no_grad():
        expected = network(((torch.from_numpy(image).permute(2, 0, 1) - mean) * scale)[None])[0]
    torch.testing.assert_close(run_float(graph, image)[graph.output].flatten(), expected, rtol=1e-3, atol=1e-3)


def test_input_normalisation_is_part_of_the_graph() -> None:
    graph = trace(detector(replace(TINY, input_mean=(100.0,), input_scale=(0.5,))))
    image = np.full((40, 56, 1), 102, np.uint8)
    assert float(run_float(graph, image)["image"].max()) == 1.0
