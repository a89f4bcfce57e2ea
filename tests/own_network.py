"""A network of one's own in a file, and a checkpoint of it with ranges: for what must find the file again."""

from __future__ import annotations

from pathlib import Path

import torch

from hil.checkpoints.calibration import calibration
from hil.checkpoints.importing import sample_photos
from hil.reference import found, weights

CODE = """
import torch
from torch import nn
from hil.reference.own import classifier

class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, 1)
        self.linear = nn.Linear(8, 3)

    def forward(self, x):
        return self.linear(torch.relu(self.conv(x)).mean((2, 3)))

def make():
    return classifier(Small(), "small", (3, 20, 24), ("a", "b", "c"))
"""


def checkpoint(folder: Path, seed: int = 1) -> Path:
    """FOLDER/small.safetensors, beside mine.py."""
    folder.mkdir()
    (folder / "mine.py").write_text(CODE)
    torch.manual_seed(seed)
    network = found.make(f"{folder / 'mine.py'}:make").eval()
    ranges = calibration(network, list(sample_photos(network.spec))[:4], lambda what, done: None)
    weights.save(network, folder / "small.safetensors", ranges)
    return folder / "small.safetensors"
