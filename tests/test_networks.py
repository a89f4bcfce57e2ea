"""The networks' tables and blocks: sizes against the published counts, and the pieces' rules."""

import pytest
import torch
from torch import Tensor, nn

from hil.errors import HilError
from hil.reference.blocks import L2Norm, MbConv
from hil.reference.networks import SPECS, Detector, build
from hil.reference.rnnpool import RnnPool


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("rnnpool_face_m4", 56_330),
        ("rnnpool_face_quant", 71_154),
        ("rnnpool_face_c", 1_526_098),
        ("rnnpool_face_qvga_mono", 338_538),
    ],
)
def test_a_network_has_the_published_number_of_parameters(name: str, parameters: int) -> None:
    assert sum(p.numel() for p in build(name).parameters()) == parameters


def test_m4_has_the_published_maps_and_anchors() -> None:
    network = build("rnnpool_face_m4").eval()
    x = torch.zeros(2, *network.spec.input_shape)
    shapes = [(tuple(loc.shape[1:]), tuple(conf.shape[1:])) for loc, conf in network.maps(x)]
    assert shapes == [
        ((4, 30, 40), (4, 30, 40)),
        ((4, 30, 40), (2, 30, 40)),
        ((4, 15, 20), (2, 15, 20)),
        ((4, 15, 20), (2, 15, 20)),
    ]
    assert network.spec.map_sizes == ((30, 40), (30, 40), (15, 20), (15, 20))
    loc, conf = network(x)
    assert loc.shape == (2, 3000, 4)
    assert conf.shape == (2, 3000, 2)


def test_background_is_the_largest_of_its_scores_and_anchors_go_row_by_row() -> None:
    network = build("rnnpool_face_m4").eval()
    x = torch.randn(1, 1, 240, 320, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        (loc0, conf0), (_, conf1), *_ = network.maps(x)
        loc, conf = network(x)
    row, column = 7, 11
    anchor = row * 40 + column
    assert conf[0, anchor].tolist() == [conf0[0, :3, row, column].max(), conf0[0, 3, row, column]]
    assert loc[0, anchor].tolist() == loc0[0, :, row, column].tolist()
    assert conf[0, 1200 + anchor].tolist() == conf1[0, :, row, column].tolist()


def test_the_input_is_normalised_by_the_spec() -> None:
    network = build("rnnpool_face_m4")
    x = network.normalise(torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2))
    assert x.flatten().tolist() == pytest.approx([-117.312 / 64, (255 - 117.312) / 64])


def test_an_unknown_network_is_refused_with_the_known_ones() -> None:
    with pytest.raises(HilError, match="'rnnpool_face_m5'.*rnnpool_face_m4"):
        build("rnnpool_face_m5")


class Leaves(torch.fx.Tracer):
    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return isinstance(module, RnnPool | L2Norm) or super().is_leaf_module(module, qualified_name)


class Maps(nn.Module):
    def __init__(self, network: Detector) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        return self.network.maps(x)


@pytest.mark.parametrize("name", SPECS)
def test_maps_can_be_traced_with_the_custom_layers_as_leaves(name: str) -> None:
    graph = Leaves().trace(Maps(build(name)))
    called = {node.target.rsplit(".", 1)[-1] for node in graph.nodes if node.op == "call_module"}
    assert {"rnnpool", "conv", "bn", "relu6", "project"} <= called
    functions = {getattr(node.target, "__name__", node.target) for node in graph.nodes if node.op == "call_function"}
    assert functions <= {"add"}, "only the residual additions are outside modules"


def test_l2norm_has_gamma_times_unit_length_and_leaves_zero_alone() -> None:
    norm = L2Norm(8, 10)
    x = torch.randn(1, 8, 2, 2)
    x[0, :, 1, 1] = 0
    y = norm(x)
    assert y.square().sum(1).sqrt().flatten().tolist() == pytest.approx([10, 10, 10, 0], rel=1e-5)
    with torch.no_grad():
        norm.weight[3] = 5
    assert torch.allclose(norm(x)[:, 3], y[:, 3] / 2)


def test_l2norm_of_a_zero_pixel_has_no_gradient() -> None:
    norm, x = L2Norm(4, 10), torch.randn(1, 4, 2, 2)
    x[0, :, 1, 1] = 0
    x.requires_grad_()
    norm(x).square().sum().mul(torch.rand(())).add(norm(x).sum()).backward()
    assert x.grad is not None and x.grad.isfinite().all() and x.grad.abs().max() < 1e3
    assert not x.grad[0, :, 1, 1].any() and x.grad[0, :, 0, 0].any()


@pytest.mark.parametrize(
    ("cin", "cout", "t", "stride", "is_residual"), [(8, 8, 2, 1, True), (8, 8, 2, 2, False), (8, 12, 1, 1, False)]
)
def test_mbconv_adds_its_input_only_when_the_shape_stays(
    cin: int, cout: int, t: int, stride: int, is_residual: bool
) -> None:
    block = MbConv(cin, cout, t, stride).eval()
    nn.init.zeros_(block.project.weight)
    x = torch.randn(1, cin, 6, 6)
    y = block(x)
    assert y.shape == (1, cout, 6 // stride, 6 // stride)
    assert torch.equal(y, x) if is_residual else not y.any()
    assert isinstance(block.expand, nn.Identity) == (t == 1)
