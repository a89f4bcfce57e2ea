"""The networks: shapes, sizes and costs against figures worked out from EdgeML's code and the paper."""

from __future__ import annotations

import pytest
import torch
from cli import hil

from hil.errors import HilError
from hil.reference import catalogue
from hil.reference.catalogue import SPECS
from hil.reference.classifiers import Classifier
from hil.reference.costs import costs
from hil.reference.networks import Detector
from hil.reference.paper import entries

# Parameters, millions of MACs (sparse operations for the second row), bytes of peak RAM in the paper's way of counting.
KNOWN = {
    "rnnpool_face_m4": (56_330, 103.31, 115_200),
    "  sparse, as published": (56_330, 68.45, 115_200),
    "rnnpool_face_quant": (71_154, 179.70, 230_400),
    "  4 hidden units": (None, 116.0, None),
    "rnnpool_face_a": (118_102, 162.7, 1_228_800),
    "rnnpool_face_b": (1_250_424, 1274.7, 1_843_200),
    "rnnpool_face_c": (1_526_098, 2015.96, 6_758_400),
    "  as its table has it": (1_562_642, 2611.5, 6_758_400),
    "rnnpool_face_qvga_mono": (338_538, 211.14, None),
    "imagenet10_mobilenetv2": (2_236_682, 299.5, 2_408_448),
    "imagenet10_mobilenetv2_rnnpool": (2_216_686, 263.6, 250_880),
    "imagenet10_densenet121": (6_964_106, 2833.1, 3_211_264),
    "imagenet10_densenet121_rnnpool": (5_603_726, 1522.0, 802_816),
    "imagenet10_efficientnet_b0_rnnpool": (3_992_910, 345.2, 263_424),
    "imagenet10_resnet18_rnnpool": (10_513_358, 1274.5, 401_408),
    "imagenet10_googlenet_rnnpool": (4_874_574, 1059.4, 652_288),
}


@pytest.mark.parametrize("title", KNOWN)
def test_sizes_and_costs(title: str) -> None:
    entry = next(entry for entry in entries() if entry.title == title)
    found, (parameters, macs, peak) = entry.costs(), KNOWN[title]
    assert parameters is None or found.parameters == parameters
    assert entry.operations(found) / 1e6 == pytest.approx(macs, rel=0.01)
    assert peak is None or entry.peak_bytes(found) == peak


def test_every_network_is_listed_beside_the_paper() -> None:
    assert set(SPECS) <= {entry.title for entry in entries()}


@pytest.mark.parametrize("name", [name for name, spec in SPECS.items() if name.startswith("rnnpool_face")])
def test_detectors_have_an_anchor_for_each_cell(name: str) -> None:
    with torch.device("meta"):
        network = catalogue.build(name).eval()
        assert isinstance(network, Detector)
        loc, conf = network(torch.zeros(1, *network.spec.input_shape))
    anchors = sum(rows * columns for rows, columns in network.spec.map_sizes)
    assert anchors == (3000 if network.spec.input_shape[2] == 320 else 25_600)
    assert loc.shape == (1, anchors, 4) and conf.shape == (1, anchors, 2)


@pytest.mark.parametrize("name", [name for name in SPECS if name.startswith("vww")])
def test_classifiers_end_in_two_logits(name: str) -> None:
    with torch.device("meta"):
        network = catalogue.build(name).eval()
        assert isinstance(network, Classifier)
        assert network(torch.zeros(3, 3, 224, 224)).shape == (3, 2)
        maps = [module(torch.zeros(1, 112, 7, 7)).shape for key, module in network.layers.items() if key == "conv1"]
    assert maps == [(1, 320, 7, 7)]


def test_unknown_networks_are_refused_with_the_known_ones() -> None:
    with pytest.raises(HilError, match=r"unknown network 'resnet'.*rnnpool_face_b.*vww_mobilenet_2rnnpool"):
        catalogue.build("resnet")


def test_costs_count_a_window_as_algorithm_1_has_it() -> None:
    found = costs(SPECS["vww_mobilenet_rnnpool"])
    assert found.recurrent == 27 * 27 * (2 * 36 * 8 * (8 + 8) + 24 * 8 * (8 + 8))
    for cell, gates in (("gru", 3), ("lstm", 4)):
        assert costs(SPECS[f"vww_mobilenet_rnnpool_{cell}"]).recurrent == gates * found.recurrent


def test_the_command_shows_ours_beside_the_papers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = hil(capsys, monkeypatch, "models")
    assert outcome.code == 0
    row = next(line for line in outcome.out.splitlines() if "rnnpool_face_quant" in line)
    assert "55,761 parameters are not 0" in outcome.out
    assert all(figure in row for figure in ("640x480x3", "71,154 (0.07M)", "179.70 M (0.12G)", "225.0 KB (225 KB)"))
