"""The ImageNet-10 networks: their blocks bit by bit in C, their sizes at each stage, their folders of photos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from labelled import write_classes
from networks import images, quantised, randomise
from test_compiler_c import Program, needs_gcc
from torch import nn

from hil.compiler import run
from hil.compiler.families.scaling import QScaling
from hil.compiler.reading.trace import trace
from hil.errors import HilError
from hil.evaluation.classes import evaluate_classes
from hil.evaluation.run import Task
from hil.reference import weights
from hil.reference.classifiers import Classifier, ClassifierSpec
from hil.reference.imagenet import FOLDERS, SPECS
from hil.reference.own import classifier
from hil.reference.rows import (
    Average,
    Basic,
    Conv,
    Dense,
    Inception,
    Largest,
    LayerRow,
    Mb,
    Mean,
    Normal,
    Normed,
    Pool,
    Squeezed,
)
from hil.training.fake_quantise import quantise_aware
from hil.training.people import LabelledBatches, labelled_photos
from hil.training.recipe import Recipe

FRONT = (Normal(6, kernel=7, stride=2), Pool(5, 6))
SMALL: dict[str, tuple[LayerRow, ...]] = {  # each network's own rows, thin
    "mobilenetv2": (Conv(8, stride=2), Mb(8, 1), Mb(12, 6, repeat=2, stride=2), Conv(20, kernel=1)),
    "densenet121": (
        Normal(8, kernel=7, stride=2),
        Largest(),
        Dense(2, 4),
        Average(8),
        Dense(1, 4),
        Normed(),
    ),
    "densenet121_rnnpool": (*FRONT, Average(12), Dense(2, 4), Normed()),
    "efficientnet_b0_rnnpool": (
        Normal(6, stride=2, activation="silu"),
        Pool(6, 4, patch=6),
        Squeezed(16, 1),
        Squeezed(12, 3, 5, 2, 2),
    ),
    "resnet18_rnnpool": (*FRONT, Basic(16, 2, 2)),
    "googlenet_rnnpool": (*FRONT, Largest(), Inception((6, 4, 8, 3, 5, 4)), Largest(2, 2, 0)),
}


def small(name: str) -> Classifier:
    """A network of the same kinds of layers that runs in a moment."""
    spec = replace(SPECS[f"imagenet10_{name}"], rows=(*SMALL[name], Mean()), input_shape=(3, 72, 76))
    torch.manual_seed(0)
    return randomise(Classifier(spec))


@needs_gcc
@pytest.mark.parametrize("name", SMALL)
def test_blocks_are_bit_equal_in_portable_c(name: str, tmp_path: Path) -> None:
    network = small(name)
    graph = quantised(network)
    program = Program(graph, tmp_path)
    image = images(network, 1, seed=9)[0]
    reference, (made, _) = run(graph, image), program.run(image)
    for layer in graph.layers:
        np.testing.assert_array_equal(made[layer.name], reference[layer.name], err_msg=layer.name)


def test_an_excited_map_waits_for_its_factors() -> None:
    graph = quantised(small("efficientnet_b0_rnnpool"))
    scalings = [layer for layer in graph.layers if isinstance(layer, QScaling)]
    assert len(scalings) == 3
    assert all(layer.factors.dtype == "uint8" and layer.factors.height == 1 for layer in scalings)


@pytest.mark.parametrize(
    ("name", "maps"),
    [
        ("mobilenetv2_rnnpool", {"rnnpool": (64, 28), "mob3": (64, 14), "mob9": (160, 7), "conv1": (1280, 7)}),
        ("densenet121_rnnpool", {"rnnpool": (192, 28), "average0": (256, 14), "dense23": (1024, 14)}),
        ("efficientnet_b0_rnnpool", {"rnnpool": (64, 28), "mob0": (80, 14), "mob10": (320, 7)}),
        ("resnet18_rnnpool", {"rnnpool": (128, 28), "basic0": (256, 14), "basic3": (512, 7)}),
        ("googlenet_rnnpool", {"rnnpool": (128, 28), "inception3": (528, 14), "inception6": (1024, 7)}),
    ],
)  # fmt: skip
def test_maps_have_the_papers_sizes(name: str, maps: dict[str, tuple[int, int]]) -> None:
    with torch.device("meta"):
        network, x = Classifier(SPECS[f"imagenet10_{name}"]).eval(), torch.zeros(1, 3, 224, 224)
        for key, layer in network.layers.items():
            x = layer(x)
            assert key not in maps or (x.shape[1], x.shape[2]) == maps.pop(key), key
        assert not maps and network.logits(x.flatten(1)).shape == (1, 10)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Two photos a class in val/."""
    write_classes(tmp_path / "val")
    return tmp_path


def test_folders_are_the_classes(folders: Path) -> None:
    spec = SPECS["imagenet10_resnet18_rnnpool"]
    found = labelled_photos(folders, spec, "val")
    assert len(found) == 20 and all(path.parent.name.startswith(FOLDERS[label]) for path, label in found)
    with pytest.raises(HilError, match="has no photos of n01440764"):
        labelled_photos(folders, spec, "train")


def test_a_class_without_photos_is_named(folders: Path) -> None:
    for photo in (folders / "val" / FOLDERS[3]).iterdir():
        photo.unlink()
    with pytest.raises(HilError, match="has no photos of n03000684: give --data a folder"):
        labelled_photos(folders, SPECS["imagenet10_mobilenetv2"], "val")


def test_a_window_makes_smaller_views(folders: Path) -> None:
    network = small("resnet18_rnnpool")
    photos = labelled_photos(folders, network.spec, "val")
    views, labels = LabelledBatches(photos, network, Recipe(batch=4, window=0.5), 0)[0]
    assert views.shape == (4, 3, 36, 38) and labels.shape == (4,)


def test_rounding_is_not_learnt_by_halves() -> None:
    with pytest.raises(HilError, match="imagenet10_resnet18_rnnpool cannot learn the firmware's rounding"):
        quantise_aware(small("resnet18_rnnpool"), {})


def test_accuracy_on_folders(folders: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = Classifier(SPECS["imagenet10_mobilenetv2_rnnpool"])
    weights.save(network, tmp_path / "m.safetensors")
    (found,) = evaluate_classes(Task(str(tmp_path / "m.safetensors"), folders, ("float",), limit=5))
    assert found.logits.shape == (5, 10)


def test_the_sample_has_twenty_photos_a_class(shared_data: Path) -> None:
    spec: ClassifierSpec = SPECS["imagenet10_mobilenetv2"]
    labels = [label for _, label in labelled_photos(shared_data / "ten_sample", spec, "val")]
    assert np.bincount(labels).tolist() == [20] * 10


@pytest.mark.parametrize("product", [lambda x: x * x, lambda x: x * 2.0])
def test_other_products_than_by_a_number_a_channel_are_refused(product) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.product = nn.Conv2d(3, 4, 3), product

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.product(self.conv(x)).mean((2, 3))

    with pytest.raises(HilError, match="does not know a product .of a map with a number a channel"):
        trace(classifier(Odd(), "odd", (3, 12, 12), ("a", "b", "c", "d")))
