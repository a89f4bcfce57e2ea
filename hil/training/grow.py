"""A detector begun with a smaller one's weights, so that before its first step it finds what that one finds.

Both tables are gone through stage by stage, from source to source. What both have is taken over, into the first of more
channels; blocks that only the larger one has change nothing until they learn to (Chen, Goodfellow and Shlens, Net2Net,
ICLR 2016).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from hil.errors import HilError
from hil.reference.blocks import ConvBnRelu6, L2Norm, MbConv
from hil.reference.networks import Detector
from hil.reference.rnnpool import RnnPool

MIDDLE = 3.0  # of ReLU6's range, where a value that is only handed on lies; its standard deviation is 1 there


@torch.no_grad()
def grow(network: Detector, before: Detector) -> None:
    """Begin a freshly initialised network with those of another one with the same sources, fewer blocks and channels.

    Raises HilError, in a line, where their tables do not go together like that.
    """
    pairs = [list(_paired(*stages)) for stages in zip(_stages(network), _stages(before), strict=False)]
    if len(network.taps) != len(before.taps) or any(one is None for stage in pairs for one, _ in stage):
        raise _apart(network, before)
    try:
        handed = before.layers[next(iter(before.layers))]  # the layer of `before` whose output the next one reads
        for stage in pairs:
            handed = _take_over(stage, handed)
        first, scales = next(iter(network.layers.values())), (before.spec.input_scale, network.spec.input_scale)
        if not isinstance(first, ConvBnRelu6):
            raise ValueError("an input that no convolution scales")
        first.conv.weight.mul_((torch.tensor(scales[0]) / torch.tensor(scales[1])).view(1, -1, 1, 1))
        for new, old in zip((*network.norms, *network.loc, *network.conf),
                            (*before.norms, *before.loc, *before.conf), strict=True):  # fmt: skip
            _head(new, old)
    except (RuntimeError, AttributeError, ValueError) as error:  # shapes and kinds that differ otherwise
        raise _apart(network, before) from error


def _apart(network: Detector, before: Detector) -> HilError:
    return HilError(f"a {before.spec.name}, whose tensors are not a {network.spec.name}'s nor the beginning of one: "
                    "start with a network of the same sources, and no more blocks and channels")  # fmt: skip


def _stages(network: Detector) -> Iterator[list[nn.Module]]:
    """The layers up to each source, behind the source before."""
    stage: list[nn.Module] = []
    for name, layer in network.layers.items():
        stage.append(layer)
        if name in network.taps:
            yield stage
            stage = []


def _paired(larger: list[nn.Module], smaller: list[nn.Module]) -> Iterator[tuple[nn.Module | None, nn.Module | None]]:
    """Each layer of a stage with the one whose weights it takes over; None for a layer that is in one network only."""
    for i in range(max(len(larger), len(smaller))):
        new, old = (layers[i] if i < len(layers) else None for layers in (larger, smaller))
        yield (None if old is not None and type(new) is not type(old) else new), old


def _take_over(stage: list[tuple[nn.Module | None, nn.Module | None]], handed: nn.Module) -> nn.Module:
    """A stage's weights. handed: the smaller network's layer in front of it; returns that behind it."""
    for new, old in stage:
        match new, old:
            case MbConv(), None:
                if not new.is_residual:
                    raise ValueError("a block that cannot begin as an identity")
                nn.init.zeros_(new.bn.weight)
            case MbConv(), MbConv():
                _block(new, old, handed)
            case ConvBnRelu6(), ConvBnRelu6():
                _conv(new, old)
            case RnnPool(), RnnPool():
                new.load_state_dict(old.state_dict())
            case _:
                raise ValueError("a layer that only one network has")
        handed = old or handed
    return handed


def _conv(new: ConvBnRelu6, old: ConvBnRelu6) -> None:
    _corner(new.conv.weight, old.conv.weight)
    _norm(new.bn, old.bn)


def _norm(new: nn.BatchNorm2d, old: nn.BatchNorm2d) -> None:
    for name in ("weight", "bias", "running_mean", "running_var"):
        _corner(getattr(new, name), getattr(old, name))


def _corner(new: torch.Tensor, old: torch.Tensor) -> None:
    """Puts a tensor into the first places of one that may be larger along its first two dimensions."""
    new[tuple(slice(size) for size in old.shape[:2])].copy_(old)


def _block(new: MbConv, old: MbConv, handed: nn.Module) -> None:
    """A block's channels into the first ones of another's; the others give zeros, and what is added is zero."""
    hidden, out = old.project.weight.shape[1], old.project.weight.shape[0]
    if isinstance(new.expand, ConvBnRelu6):
        _conv(new.expand, old.expand)  # type: ignore[arg-type]
    _conv(new.depthwise, old.depthwise)
    new.project.weight[:, hidden:].zero_()
    _corner(new.project.weight, old.project.weight)
    _norm(new.bn, old.bn)
    new.bn.weight[out:].zero_()
    if old.is_residual and not new.is_residual:
        if not isinstance(handed, MbConv):
            raise ValueError("inputs of unknown mean")
        _hand_on(new, hidden, handed.bn.bias, handed.bn.weight.abs().clamp(min=1e-3))


def _hand_on(block: MbConv, hidden: int, mean: torch.Tensor, deviation: torch.Tensor) -> None:
    """Adds a block's first inputs to its outputs by way of its expanded channels from `hidden` on.

    For a block that has more outputs than inputs, so that nothing adds them as a residual. mean, deviation: of those
    inputs; what lies further than three deviations from its mean is cut off.
    """
    count = len(mean)
    expand, depthwise, bn = block.expand, block.depthwise, block.bn
    assert isinstance(expand, ConvBnRelu6)
    if hidden + count > expand.conv.out_channels:
        raise ValueError("too few expanded channels to hand on a block's input")
    places, channels = slice(hidden, hidden + count), range(count)
    expand.conv.weight[places].zero_()
    depthwise.conv.weight[places].zero_()
    depthwise.conv.weight[places, :, 1, 1] = 1.0
    for i in channels:
        expand.conv.weight[hidden + i, i] = 1.0
    expand.bn.running_mean[places], expand.bn.running_var[places] = mean, deviation.square()  # type: ignore[index]
    depthwise.bn.running_mean[places], depthwise.bn.running_var[places] = MIDDLE, 1.0  # type: ignore[index]
    for norm in (expand.bn, depthwise.bn):
        norm.weight[places], norm.bias[places] = 1.0, MIDDLE
    # In front of the block's own batch norm, whose statistics then are those of a sum.
    ratio = deviation * (bn.running_var[:count] + bn.eps).sqrt() / bn.weight[:count]  # type: ignore[index]
    for i in channels:
        block.project.weight[i, hidden + i] = ratio[i]
    bn.running_mean[:count] += (MIDDLE - mean / deviation) * ratio  # type: ignore[index]
    before = bn.running_var[:count].clone()  # type: ignore[index]
    bn.running_var[:count] += ratio.square()  # type: ignore[index]
    bn.weight[:count] *= ((before + ratio.square() + bn.eps) / (before + bn.eps)).sqrt()


def _head(new: nn.Module, old: nn.Module) -> None:
    """A norm or a head, for maps whose further channels are zero."""
    match new, old:
        case L2Norm(), L2Norm():
            _corner(new.weight, old.weight)
        case nn.Conv2d(), nn.Conv2d() if new.out_channels == old.out_channels and new.kernel_size == old.kernel_size:
            _corner(new.weight, old.weight)
            assert new.bias is not None and old.bias is not None
            new.bias.copy_(old.bias)
        case _ if type(new) is type(old):
            new.load_state_dict(old.state_dict())
        case _:
            raise ValueError("heads of another kind")
