"""The RNNPool layer: against the published oracle, a naive one from the paper's Algorithm 1, and its own gradient."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hil.reference.fastgrnn import FastGrnn
from hil.reference.rnnpool import RnnPool
from hil.reference.sweep import plain_sweep, sweep


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def naive_rnn(cell: FastGrnn, sequence: list[np.ndarray]) -> np.ndarray:
    """FastGRNN over a sequence of vectors, in float64, one equation a line."""
    W, U, bg, bh, zeta, nu = (p.detach().double().numpy() for p in cell.parameters())
    is_quant = cell.nonlinearity == "quant"
    gate = (lambda x: np.clip((x + 1) / 2, 0, 1)) if is_quant else sigmoid
    update = (lambda x: np.clip(x, -1, 1)) if is_quant else np.tanh
    h = np.zeros(cell.hidden_size)
    for x in sequence:
        pre = x @ W + h @ U
        z = gate(pre + bg)
        h = z * h + (sigmoid(zeta) * (1 - z) + sigmoid(nu)) * update(pre + bh)
    return h


def naive_rnnpool(layer: RnnPool, image: np.ndarray) -> np.ndarray:
    """Algorithm 1 window by window: (C, H, W) to (4 * h2, Ho, Wo), with the published code's order of outputs."""
    r, s = layer.patch, layer.stride
    rows, columns = (image.shape[1] - r) // s + 1, (image.shape[2] - r) // s + 1
    out = np.zeros((4 * layer.hidden2, rows, columns))
    for i in range(rows):
        for j in range(columns):
            window = image[:, i * s : i * s + r, j * s : j * s + r]
            along_rows = [naive_rnn(layer.cell1, [window[:, y, x] for x in range(r)]) for y in range(r)]
            along_columns = [naive_rnn(layer.cell1, [window[:, y, x] for y in range(r)]) for x in range(r)]
            sequences = along_rows, along_rows[::-1], along_columns, along_columns[::-1]
            out[:, i, j] = np.concatenate([naive_rnn(layer.cell2, sequence) for sequence in sequences])
    return np.pad(out, ((0, 0), (0, 1), (0, 1)), "edge") if layer.pad else out


def lively(layer: RnnPool, seed: int = 0) -> RnnPool:
    """The layer with weights large enough for every term to matter, the scalars' too, but not chaotic."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in layer.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
    return layer


@pytest.fixture(scope="module")
def published(shared_data: Path) -> tuple[RnnPool, Tensor, np.ndarray]:
    vectors = np.load(shared_data / "vectors" / "edgeml_vww_rnnpool_patch.npz")
    layer = RnnPool(8, 8, 8, patch=6, stride=6, pad=False)
    for number, cell in enumerate((layer.cell1, layer.cell2), 1):
        for name, parameter in cell.named_parameters():
            published = torch.tensor(vectors[f"{name}{number}"].astype(np.float64))
            raw = torch.logit(published) if name in ("zeta", "nu") else published  # those two are after their sigmoid
            assert parameter.shape == raw.shape
            parameter.data = raw.float()
    patch = torch.tensor(vectors["patch_hwc"]).float().permute(2, 0, 1)[None]
    return layer, patch, vectors["expected"]


def test_the_published_vectors_are_met(published: tuple[RnnPool, Tensor, np.ndarray]) -> None:
    layer, patch, expected = published
    found = layer(patch).detach().numpy().ravel()
    assert np.abs(found - expected.ravel()).max() <= 1e-6


@pytest.mark.parametrize("wrong", ["rows for columns", "backward for forward"])
def test_the_published_vectors_tell_the_order_of_outputs(
    published: tuple[RnnPool, Tensor, np.ndarray], wrong: str
) -> None:
    layer, patch, expected = published
    flipped = patch.transpose(2, 3) if wrong == "rows for columns" else patch.flip(2)
    assert np.abs(layer(flipped).detach().numpy().ravel() - expected.ravel()).max() > 0.01


@pytest.mark.parametrize(
    ("layer", "height", "width"),
    [
        (RnnPool(4, 16, 16), 20, 28),
        (RnnPool(3, 6, 4, patch=6, stride=4), 17, 21),  # a stride that does not divide, pixels left over
        (RnnPool(2, 5, 3, patch=4, stride=3, pad=False), 10, 13),  # odd hidden sizes: the plain loop
        (RnnPool(5, 8, 10, patch=7, stride=1, pad=False), 7, 7),  # the whole map at once
        (RnnPool(4, 8, 8, nonlinearity="quant"), 12, 16),
    ],
    ids=["face", "overlap", "odd", "whole map", "quant"],
)
def test_the_layer_is_algorithm_1(layer: RnnPool, height: int, width: int) -> None:
    x = torch.randn(2, layer.in_channels, height, width, generator=torch.Generator().manual_seed(1))
    found = lively(layer)(x).detach().numpy()
    for image, output in zip(x.double().numpy(), found, strict=True):
        np.testing.assert_allclose(output, naive_rnnpool(layer, image), atol=4e-6)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lanes", [1, 127, 300])
def test_the_fast_sweep_and_its_gradient_are_the_plain_ones(reverse: bool, lanes: int) -> None:
    cell = lively(RnnPool(4, 16, 16)).cell1
    projected = torch.randn(22, 16, lanes, generator=torch.Generator().manual_seed(2), requires_grad=True)
    wanted = [projected, *(p for name, p in cell.named_parameters() if name != "W")]
    outputs = [run(projected, cell, 8, 4, reverse) for run in (sweep, plain_sweep)]
    assert outputs[0].shape == (4, 16, lanes)
    torch.testing.assert_close(outputs[0], outputs[1], atol=4e-6, rtol=0)
    weights = torch.randn(outputs[0].shape, generator=torch.Generator().manual_seed(3))
    fast, plain = (torch.autograd.grad((out * weights).sum(), wanted) for out in outputs)
    for ours, theirs in zip(fast, plain, strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-5 * float(theirs.abs().max()) + 1e-7, rtol=1e-4)


def test_the_result_does_not_depend_on_the_number_of_threads() -> None:
    cell = lively(RnnPool(4, 16, 16)).cell1
    projected = torch.randn(8, 16, 700)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = sweep(projected, cell, 8, 4)
        torch.set_num_threads(3)
        assert torch.equal(sweep(projected, cell, 8, 4), alone)
    finally:
        torch.set_num_threads(before)


def test_the_start_of_zeta_and_nu_leaves_them_without_gradient() -> None:
    layer = RnnPool(4, 16, 16)
    layer(torch.randn(1, 4, 12, 12)).sum().backward()
    assert layer.cell1.zeta.grad == 0
    assert layer.cell2.nu.grad == 0
    assert layer.cell1.U.grad is not None and layer.cell1.U.grad.abs().max() > 0


def test_wrong_maps_are_refused() -> None:
    layer = RnnPool(4, 16, 16)
    with pytest.raises(ValueError, match="3 channels.*takes 4"):
        layer(torch.zeros(1, 3, 16, 16))
    with pytest.raises(ValueError, match="7x16.*8x8"):
        layer(torch.zeros(1, 4, 16, 7))
    with pytest.raises(ValueError, match="relu"):
        FastGrnn(4, 4, "relu")
