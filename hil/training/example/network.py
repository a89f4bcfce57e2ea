"""A network of your own: any PyTorch module made of layers that the firmware has, and what the bench must know of it.

`hil train --network network.py:make`, `hil seed --network network.py:make` and the like take it from here; the
checkpoint that comes out remembers this file and finds it beside itself, or in the folder that you are in.
"""

import torch
from torch import Tensor, nn

from hil.reference.own import classifier
from hil.reference.rnnpool import RnnPool

CLASSES = ("circle", "square", "triangle")


class Shapes(nn.Module):
    """A few layers in front of RNNPool, two branches behind it, an average, and a logit a class."""

    def __init__(self) -> None:
        super().__init__()
        # 3 x 56 x 80 to 8 x 28 x 40. A convolution, a batch norm and a ReLU become one layer.
        self.conv = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        # Each window of 8 x 8 pixels becomes 4 * hidden2 numbers: 32 x 7 x 10. cell: fastgrnn, gru or lstm.
        self.pool = RnnPool(8, hidden1=8, hidden2=8, patch=8, stride=4, cell="gru")
        self.left = nn.Sequential(nn.Conv2d(32, 16, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.right = nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1), nn.Conv2d(32, 16, 1), nn.Hardswish())
        self.last = nn.Sequential(nn.Conv2d(32, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU())
        self.average = nn.AdaptiveAvgPool2d(1)
        self.logits = nn.Linear(24, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 3) of images (N, 3, 56, 80)."""
        # No `if` may ask what is in a map: the firmware computes the same for every image.
        x = self.pool(self.conv(x))
        x = self.last(torch.cat([self.left(x), self.right(x)], dim=1))
        return self.logits(self.average(x).flatten(1))


def make() -> nn.Module:
    """What the bench calls. classifier() is for logits; detector() is for boxes, tensors() for anything else."""
    return classifier(
        Shapes(),
        name="shapes",
        input_shape=(3, 56, 80),  # channels (3: RGB, 1: grey), rows, columns
        classes=CLASSES,
        input_mean=(127.5,) * 3,  # network input = (level - mean) * scale, levels from 0 to 255
        input_scale=(1 / 64,) * 3,
    )
