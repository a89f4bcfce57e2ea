"""A larger detector begun with a smaller one's weights finds, before it learns anything, what the smaller one finds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from networks import randomise

from hil import zoo
from hil.errors import HilError
from hil.reference import weights
from hil.reference.networks import SPECS, Detector
from hil.training.grow import grow
from hil.training.loop import begin
from hil.training.recipe import Recipe

MONO = "rnnpool_face_qvga_mono"


def grey(network: Detector) -> torch.Tensor:
    """Photos of patches and noise, in a network's own units."""
    torch.manual_seed(3)
    patches = torch.randint(0, 256, (2, 1, 30, 40)).repeat_interleave(8, 2).repeat_interleave(8, 3)
    return network.normalise((patches + 20 * torch.randn(2, 1, 240, 320)).clamp(0, 255).byte())


@torch.no_grad()
def test_the_monochrome_network_begins_as_m4() -> None:
    before = weights.load(zoo.find("rnnpool_face_m4"))
    network = begin(MONO, Recipe(), 0, zoo.find("rnnpool_face_m4")).network.eval()
    assert isinstance(before, Detector) and isinstance(network, Detector)
    sources = zip(network.maps(grey(network)), before.maps(grey(before)), strict=True)
    for number, (found, expected) in enumerate(sources):
        for new, old in zip(found, expected, strict=True):
            if number < 3:
                assert (new - old).abs().max() < 2e-3, number
            else:  # behind the block that hands its inputs on, cut off at three deviations
                assert (new - old).square().mean() < 0.02 * old.var()


def test_what_the_smaller_one_lacks_still_learns() -> None:
    network = begin(MONO, Recipe(), 0, zoo.find("rnnpool_face_m4")).network.train()
    sum(part.square().mean() for part in network(grey(network))).backward()
    added = network.layers["mob2"].bn.weight
    assert not added.any() and added.grad is not None and added.grad.abs().min() > 0


@pytest.mark.parametrize("name", ["rnnpool_face_quant", "rnnpool_face_c"])
def test_networks_that_do_not_go_together_are_refused(name: str, tmp_path: Path) -> None:
    start = tmp_path / "m4.safetensors"
    weights.save(randomise(Detector(SPECS["rnnpool_face_m4"])), start)
    with pytest.raises(HilError, match=rf"m4\.safetensors is a rnnpool_face_m4, whose tensors are not a {name}'s"):
        begin(name, Recipe(), 0, start)


def test_a_network_is_not_grown_from_a_larger_one() -> None:
    larger = Detector(SPECS[MONO])
    with pytest.raises(HilError, match="no more blocks and channels"):
        grow(Detector(replace(SPECS["rnnpool_face_m4"], input_scale=(1.0,))), larger)
