"""State dicts under EdgeML's names, and EdgeML's forward pass written out once more, straight from its description.

Nothing here uses hil.reference: names and shapes come from lists of (expansion, channels, repeat, stride), the networks
run on plain torch.nn.functional, and RNNPool runs window by window as Algorithm 1 states it.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

Block = tuple[int, int, int, int]  # expansion, channels, repeat, stride
State = dict[str, Tensor]

FRONT_BLOCKS: list[Block] = [(6, 24, 4, 2), (6, 32, 3, 1), (6, 56, 3, 2), (6, 112, 1, 1)]
PLAIN_BLOCKS: list[Block] = [
    (1, 8, 1, 1), (6, 8, 2, 2), (6, 16, 3, 2), (6, 24, 4, 2), (6, 32, 3, 1), (6, 56, 3, 2), (6, 112, 1, 1)
]  # fmt: skip
M4_BLOCKS: list[Block] = [(2, 32, 1, 1), (2, 32, 1, 1), (2, 64, 1, 2), (2, 64, 1, 1)]
MONO_BLOCKS: list[Block] = [(2, 32, 4, 1), (2, 32, 4, 1), (2, 96, 3, 2), (2, 128, 3, 1)]
QUANT_BLOCKS: list[Block] = [(2, 16, 4, 1), (2, 24, 4, 2), (2, 32, 2, 2), (2, 64, 1, 2), (2, 96, 1, 2)]
C_BLOCKS: list[Block] = [
    (1, 24, 1, 1), (6, 24, 1, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 2), (6, 160, 2, 2), (6, 320, 1, 2)
]  # fmt: skip


def state_dict(model: str, seed: int = 0) -> State:
    """A made-up checkpoint of a network, with the repetitions that EdgeML's modules have."""
    torch.manual_seed(seed)
    return dict(_vww(model) if model.startswith("vww") else _face(model))


def _vww(model: str) -> Iterator[tuple[str, Tensor]]:
    is_plain, has_end = "last" in model, model != "vww_mobilenet_rnnpool"
    yield from _conv_bn("features_init", 3, 32 if is_plain else 8, 3)
    if not is_plain:
        yield from _rnn_pool("rnn_model", 8, 8, 8)
    if has_end:
        yield from _rnn_pool("rnn_model_end", 320, 80, 80)
    blocks = PLAIN_BLOCKS if is_plain else FRONT_BLOCKS
    yield from _blocks("features", blocks, 32)
    yield from _conv_bn(f"features.{sum(n for _, _, n, _ in blocks)}", blocks[-1][1], 320, 1)
    yield from _conv("classifier.0" if has_end else "classifier.1", 320, 2, None)


def _face(model: str) -> Iterator[tuple[str, Tensor]]:
    name = model.removeprefix("rnnpool_face_")
    hidden, inputs = {"m4": (16, 4), "qvga_mono": (16, 4), "quant": (8, 4), "c": (16, 3)}[name]
    blocks = {"m4": M4_BLOCKS, "qvga_mono": MONO_BLOCKS, "quant": QUANT_BLOCKS, "c": C_BLOCKS}[name]
    if name == "quant":
        yield from _conv_bn("conv_top.0", 3, 4, 3)
        yield from _conv_bn("conv_top.1", 4, 4, 3)
    elif name != "c":
        yield from _conv_bn("conv", 1, 4, 3)
    yield from _rnn_pool("rnn_model", inputs, hidden, hidden)
    yield from _blocks("mob", blocks, 4 * hidden)
    heads = {"m4": (32, 32, 64, 64), "qvga_mono": (32, 32, 96, 128), "quant": (16, 24, 32, 64, 96),
             "c": (24, 32, 64, 96, 160, 320)}[name]  # fmt: skip
    normed = (4, 16, 24) if name == "quant" else heads[:3]
    for tensor, size in zip(("L2Norm3_3", "L2Norm4_3", "L2Norm5_3"), normed, strict=True):
        yield f"{tensor}.weight", torch.rand(size) * 10
    kernels = (5, 5, 5, 1, 1, 3) if name == "c" else (3,) * len(heads)
    for kind, first, rest in (("loc", 4, 4), ("conf", 4, 2)):
        shift = 0
        if name == "quant":  # the first head is of two convolutions, which EdgeML's list counts one by one
            yield from _conv_bn(f"{kind}.0", 4, 8, 3)
            yield from _conv(f"{kind}.1", 8, first, 3)
            shift = 2
        for i, (size, kernel) in enumerate(zip(heads, kernels, strict=True)):
            yield from _conv(f"{kind}.{i + shift}", size, first if i + shift == 0 else rest, kernel)


def _conv(name: str, cin: int, out: int, kernel: int | None) -> Iterator[tuple[str, Tensor]]:
    size = () if kernel is None else (kernel, kernel)
    yield f"{name}.weight", torch.randn(out, cin, *size) * (cin * (kernel or 1) ** 2) ** -0.5
    yield f"{name}.bias", torch.randn(out) * 0.1


def _norm(name: str, channels: int) -> Iterator[tuple[str, Tensor]]:
    yield f"{name}.weight", torch.rand(channels) + 0.5
    yield f"{name}.bias", torch.randn(channels) * 0.2 + 0.3
    yield f"{name}.running_mean", torch.randn(channels) * 0.2
    yield f"{name}.running_var", torch.rand(channels) + 0.3
    yield f"{name}.num_batches_tracked", torch.tensor(7)


def _conv_bn(name: str, cin: int, out: int, kernel: int, groups: int = 1) -> Iterator[tuple[str, Tensor]]:
    cin //= groups
    yield f"{name}.0.weight", torch.randn(out, cin, kernel, kernel) * 1.5 * (cin * kernel**2) ** -0.5
    yield from _norm(f"{name}.1", out)


def _blocks(name: str, blocks: list[Block], cin: int) -> Iterator[tuple[str, Tensor]]:
    index = 0
    for expansion, out, repeat, _ in blocks:
        for _ in range(repeat):
            prefix, middle, place = f"{name}.{index}.conv", cin * expansion, 0
            if expansion != 1:
                yield from _conv_bn(f"{prefix}.0", cin, middle, 1)
                place = 1
            yield from _conv_bn(f"{prefix}.{place}", middle, middle, 3, groups=middle)
            yield f"{prefix}.{place + 1}.weight", torch.randn(out, middle, 1, 1) * middle**-0.5
            yield from _norm(f"{prefix}.{place + 2}", out)
            cin, index = out, index + 1


def _rnn_pool(name: str, inputs: int, hidden1: int, hidden2: int) -> Iterator[tuple[str, Tensor]]:
    for cell, cin, hidden, copies in (
        ("cell_rnn", inputs, hidden1, ["RNNCell"]),
        ("cell_bidirrnn", hidden1, hidden2, ["RNNCell", "RNNCell_reverse"]),
    ):
        tensors = {
            "W": torch.randn(cin, hidden) * cin**-0.5, "U": torch.randn(hidden, hidden) * hidden**-0.5,
            "bias_gate": torch.randn(1, hidden) + 1, "bias_update": torch.randn(1, hidden),
            "zeta": torch.full((1, 1), 50.87), "nu": torch.full((1, 1), -50.87),
        }  # fmt: skip
        for place in ("cell", *(f"unrollRNN.{copy}" for copy in copies)):
            yield from ((f"{name}.{cell}.{place}.{key}", tensor) for key, tensor in tensors.items())


def vww_logits(model: str, s: State, x: Tensor) -> Tensor:
    """EdgeML's forward pass of a Visual Wake Words network."""
    x = _run_conv(s, "features_init", x, 2)
    if "last" not in model:
        x = F.pad(rnn_pool(s, "rnn_model", x, 6, 4), (0, 1, 0, 1), mode="replicate")
    blocks = PLAIN_BLOCKS if "last" in model else FRONT_BLOCKS
    x = _run_blocks(s, "features", blocks, x)
    x = _run_conv(s, f"features.{sum(n for _, _, n, _ in blocks)}", x, 1)
    if model == "vww_mobilenet_rnnpool":
        return F.linear(x.mean((2, 3)), s["classifier.1.weight"], s["classifier.1.bias"])
    return F.linear(rnn_pool(s, "rnn_model_end", x, 7, 7).flatten(1), s["classifier.0.weight"], s["classifier.0.bias"])


FACE_TAPS = {"m4": (0, 1, 2, 3), "qvga_mono": (3, 7, 10, 13), "quant": (3, 7, 9, 10, 11), "c": (1, 4, 8, 11, 13, 14)}
FACE_BLOCKS = {"m4": M4_BLOCKS, "qvga_mono": MONO_BLOCKS, "quant": QUANT_BLOCKS, "c": C_BLOCKS}


def face_maps(model: str, s: State, x: Tensor) -> list[tuple[Tensor, Tensor]]:
    """EdgeML's forward pass of a detector up to its heads; x: levels less their mean, not scaled."""
    name, sources = model.removeprefix("rnnpool_face_"), []
    if name == "quant":
        x = _run_conv(s, "conv_top.1", _run_conv(s, "conv_top.0", x, 2), 1)
        sources.append(x)
    elif name != "c":
        x = _run_conv(s, "conv", x, 2)
    x = F.pad(rnn_pool(s, "rnn_model", x, 8, 4), (0, 1, 0, 1), mode="replicate")
    maps = list(_block_maps(s, "mob", FACE_BLOCKS[name], x))
    sources += [maps[i] for i in FACE_TAPS[name]]
    for i, norm in enumerate(("L2Norm3_3", "L2Norm4_3", "L2Norm5_3")):
        length = sources[i].square().sum(1, keepdim=True).sqrt() + 1e-10
        sources[i] = sources[i] / length * s[f"{norm}.weight"].view(1, -1, 1, 1)
    return [(_face_head(s, "loc", i, y, name), _face_head(s, "conf", i, y, name)) for i, y in enumerate(sources)]


def _face_head(s: State, kind: str, index: int, x: Tensor, name: str) -> Tensor:
    place = index
    if name == "quant":  # the first head has two places in the list
        x, place = (_run_conv(s, f"{kind}.0", x, 2) if index == 0 else x), index + 1
    weight = s[f"{kind}.{place}.weight"]
    return F.conv2d(x, weight, s[f"{kind}.{place}.bias"], padding=weight.shape[2] // 2)


def _run_norm(s: State, name: str, x: Tensor) -> Tensor:
    return F.batch_norm(x, *(s[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")))


def _run_conv(s: State, name: str, x: Tensor, stride: int, groups: int = 1) -> Tensor:
    weight = s[f"{name}.0.weight"]
    return F.relu6(_run_norm(s, f"{name}.1", F.conv2d(x, weight, None, stride, weight.shape[2] // 2, groups=groups)))


def _run_blocks(s: State, name: str, blocks: list[Block], x: Tensor) -> Tensor:
    return list(_block_maps(s, name, blocks, x))[-1]


def _block_maps(s: State, name: str, blocks: list[Block], x: Tensor) -> Iterator[Tensor]:
    index = 0
    for expansion, _, repeat, stride in blocks:
        for i in range(repeat):
            prefix, y, place = f"{name}.{index}.conv", x, 0
            if expansion != 1:
                y, place = _run_conv(s, f"{prefix}.0", y, 1), 1
            y = _run_conv(s, f"{prefix}.{place}", y, stride if i == 0 else 1, groups=y.shape[1])
            y = _run_norm(s, f"{prefix}.{place + 2}", F.conv2d(y, s[f"{prefix}.{place + 1}.weight"]))
            x, index = (x + y if y.shape == x.shape else y), index + 1
            yield x


def rnn_pool(s: State, name: str, x: Tensor, patch: int, stride: int) -> Tensor:
    """Algorithm 1, window by window: cell_rnn along rows and columns, cell_bidirrnn both ways over those."""
    windows = x.unfold(2, patch, stride).unfold(3, patch, stride)  # (N, C, Ho, Wo, patch, patch)
    batch, _, high, wide = windows.shape[:4]
    windows = windows.permute(4, 5, 0, 2, 3, 1).flatten(2, 4)  # (row, column, windows, C)
    by_row = torch.stack([_cell(s, f"{name}.cell_rnn.cell", row) for row in windows])
    by_column = torch.stack([_cell(s, f"{name}.cell_rnn.cell", column) for column in windows.transpose(0, 1)])
    second = f"{name}.cell_bidirrnn.cell"
    states = [_cell(s, second, way) for sweep in (by_row, by_column) for way in (sweep, sweep.flip(0))]
    return torch.cat(states, 1).unflatten(0, (batch, high, wide)).permute(0, 3, 1, 2)


def _cell(s: State, name: str, sequence: Tensor) -> Tensor:
    h = torch.zeros(sequence.shape[1], s[f"{name}.U"].shape[0])
    for x in sequence:
        pre = x @ s[f"{name}.W"] + h @ s[f"{name}.U"]
        z, c = torch.sigmoid(pre + s[f"{name}.bias_gate"]), torch.tanh(pre + s[f"{name}.bias_update"])
        h = z * h + (torch.sigmoid(s[f"{name}.zeta"]) * (1 - z) + torch.sigmoid(s[f"{name}.nu"])) * c
    return h
