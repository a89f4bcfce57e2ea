"""The convolution blocks of the RNNPool networks, and the normalisation in front of their heads."""

import torch
from torch import Tensor, nn


class ConvBnRelu6(nn.Module):
    """Convolution without bias, batch norm, ReLU6: (N, cin, H, W) to (N, cout, ceil(H / stride), ceil(W / stride))."""

    def __init__(self, cin: int, cout: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(cout)
        self.relu6 = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu6(self.bn(self.conv(x)))


class MbConv(nn.Module):
    """Inverted residual (MobileNetV2): expand by t, depthwise 3x3, project linearly.

    With t = 1 there is no expansion. The input is added to the output when the stride is 1 and cin equals cout.
    """

    def __init__(self, cin: int, cout: int, t: int, stride: int = 1) -> None:
        super().__init__()
        middle = cin * t
        self.is_residual = stride == 1 and cin == cout
        self.expand = ConvBnRelu6(cin, middle, 1) if t != 1 else nn.Identity()
        self.depthwise = ConvBnRelu6(middle, middle, 3, stride, groups=middle)
        self.project = nn.Conv2d(middle, cout, 1, bias=False)
        self.bn = nn.BatchNorm2d(cout)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn(self.project(self.depthwise(self.expand(x))))
        return x + y if self.is_residual else y


class L2Norm(nn.Module):
    """Each pixel of (N, C, H, W) divided by its Euclidean norm over the channels, times a trained weight a channel.

    The norm gets 1e-10 added to it. An all-zero pixel, as rounding makes them, stays zero and has no gradient.
    gamma: the weights' start (ParseNet; S3FD).
    """

    def __init__(self, channels: int, gamma: float) -> None:
        super().__init__()
        self.channels = channels
        self.weight = nn.Parameter(torch.full((channels,), float(gamma)))

    def forward(self, x: Tensor) -> Tensor:
        squared = x.square().sum(1, keepdim=True)
        norm = squared.clamp(min=1e-30).sqrt() + 1e-10  # the root's gradient at 0 would be NaN
        unit = torch.where(squared > 0, x / norm, 0.0)  # and an all-zero pixel's 1e10, for it has no direction
        return unit * self.weight.view(1, -1, 1, 1)
