"""The blocks of the ImageNet classifiers: DenseNet, ResNet, GoogLeNet (Inception) and EfficientNet.

As torchvision has them, whose figures the RNNPool paper's plain networks have. Every block takes (N, cin, H, W).
"""

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "silu": nn.SiLU, "none": nn.Identity}


class ConvBn(nn.Module):
    """Convolution without bias, batch norm and one of ACTIVATIONS: (N, cout, ceil(H / stride), ceil(W / stride))."""

    def __init__(
        self, cin: int, cout: int, kernel: int = 3, stride: int = 1, activation: str = "relu", groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(cout)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.bn(self.conv(x)))


class PreActivated(nn.Module):
    """Batch norm and ReLU in front of a convolution without bias; alone where cout is None (DenseNet's end)."""

    def __init__(self, cin: int, cout: int | None = None, kernel: int = 1) -> None:
        super().__init__()
        self.bn, self.relu = nn.BatchNorm2d(cin), nn.ReLU()
        self.conv = nn.Identity() if cout is None else nn.Conv2d(cin, cout, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.relu(self.bn(x)))


class DenseLayer(nn.Module):
    """A layer of a dense block (Huang et al., CVPR 2017): its input, and `growth` channels made of it."""

    def __init__(self, cin: int, growth: int) -> None:
        super().__init__()
        self.narrow, self.grown = PreActivated(cin, 4 * growth), PreActivated(4 * growth, growth, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.grown(self.narrow(x))], 1)


class Transition(nn.Module):
    """Between dense blocks: fewer channels, then averages of 2x2 pixels."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.narrow, self.pool = PreActivated(cin, cout), nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.narrow(x))


class BasicBlock(nn.Module):
    """ResNet's block of two 3x3 convolutions (He et al., CVPR 2016); a 1x1 one beside them where shapes differ."""

    def __init__(self, cin: int, cout: int, stride: int = 1) -> None:
        super().__init__()
        self.first, self.second = ConvBn(cin, cout, 3, stride), ConvBn(cout, cout, 3, 1, "none")
        is_same = stride == 1 and cin == cout
        self.beside = nn.Identity() if is_same else ConvBn(cin, cout, 1, stride, "none")
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.second(self.first(x)) + self.beside(x))


class Inception(nn.Module):
    """GoogLeNet's four branches (Szegedy et al., CVPR 2015): 1x1, 3x3, 3x3 in the place of 5x5 as torchvision, largest.

    widths: of the first; of the second's 1x1 and 3x3; of the third's; of the last.
    """

    def __init__(self, cin: int, widths: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        one, three_in, three, five_in, five, last = widths
        self.one = ConvBn(cin, one, 1)
        self.three = nn.Sequential(ConvBn(cin, three_in, 1), ConvBn(three_in, three))
        self.five = nn.Sequential(ConvBn(cin, five_in, 1), ConvBn(five_in, five))
        self.largest = nn.Sequential(nn.MaxPool2d(3, 1, 1), ConvBn(cin, last, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.largest(x)], 1)


class SqueezeExcite(nn.Module):
    """Each channel times a number from 0 to 1 that the means of all channels decide (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.squeeze, self.silu = nn.Conv2d(channels, squeezed, 1), nn.SiLU()
        self.excite, self.sigmoid = nn.Conv2d(squeezed, channels, 1), nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.sigmoid(self.excite(self.silu(self.squeeze(self.mean(x)))))


class SqueezedMb(nn.Module):
    """EfficientNet's inverted residual (Tan and Le, ICML 2019): with SiLU, and a SqueezeExcite of cin / 4 channels."""

    def __init__(self, cin: int, cout: int, t: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        middle = cin * t
        self.is_residual = stride == 1 and cin == cout
        self.expand = ConvBn(cin, middle, 1, 1, "silu") if t != 1 else nn.Identity()
        self.depthwise = ConvBn(middle, middle, kernel, stride, "silu", groups=middle)
        self.excite = SqueezeExcite(middle, cin // 4)
        self.project = ConvBn(middle, cout, 1, 1, "none")

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.excite(self.depthwise(self.expand(x))))
        return x + y if self.is_residual else y
