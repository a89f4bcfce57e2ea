"""Networks with seeded weights: untrained, but alive, to be built and measured like trained ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from hil import zoo
from hil.checkpoints.calibration import Step, calibration
from hil.checkpoints.importing import sample_photos
from hil.errors import HilError
from hil.reference import catalogue, weights
from hil.reference.catalogue import Network
from hil.reference.networks import Detector
from hil.reference.own import OwnDetector


def seed_network(name: str, seed: int, count: int, out: Path, step: Step) -> int:
    """Write a network with seeded weights; its batch norms and ranges fit sample photos. Returns how many.

    Same name, seed and count, same checkpoint. Raises HilError for an unknown name and an --out that is no
    .safetensors file.
    """
    if out.suffix != zoo.SUFFIX:
        raise HilError(f"{out} must end in {zoo.SUFFIX}: that is the format that keeps ranges beside the weights")
    torch.manual_seed(seed)
    network = catalogue.build(name)
    photos = [pixels for pixels, _ in zip(sample_photos(network.spec), range(count), strict=False)]
    if isinstance(network, Detector) and not isinstance(network, OwnDetector):
        expect_few_faces(network)
    settle(network, torch.stack([torch.from_numpy(pixels).permute(2, 0, 1) for pixels in photos]), step)

    weights.save(network, out, {"seed": str(seed), "training": "none", **calibration(network, photos, step)})
    return len(photos)


def expect_few_faces(network: Detector) -> None:
    """Give the heads a bias against faces: an untrained one would otherwise see hundreds in any photo."""
    with torch.no_grad():
        for head in network.conf:
            last: Any = head[-1] if isinstance(head, nn.Sequential) else head
            last.weight.mul_(0.3)
            last.bias[-1] -= 4.5


def settle(network: Network, photos: torch.Tensor, step: Step, at_once: int = 1) -> None:
    """Set the batch norms' statistics to those of photos, uint8 (N, C, H, W), so that no layer dies or saturates.

    at_once: photos in a batch; more than one for a network that has a map of one pixel.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over all photos
            nn.init.normal_(module.bias, 0.5, 0.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    network.train()
    with torch.no_grad():
        for i, batch in enumerate(photos.split(at_once)):
            step(f"{len(photos)} sample photos", i * at_once / len(photos))
            network(network.normalise(batch))
    network.eval()
