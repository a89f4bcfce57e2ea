"""Sparse and tied RNNPools: exact through optimiser steps, the moving average, resuming and the checkpoint."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from hil.errors import HilError
from hil.reference import weights
from hil.reference.fastgrnn import FastGrnn
from hil.reference.networks import build
from hil.training.loop import Training, begin, step
from hil.training.recipe import Recipe, load_recipe
from hil.training.structure import TIE_SPREAD, largest, tie

NAME = "rnnpool_face_m4_sparse"
SPARSE = Recipe(images=40, batch=2, warm_up=0.0, kept_w1=0.5, kept_blocks=0.375, is_tied=True, sparse_by=0.5)


def batch(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two inputs of 64x48 with a face anchor each."""
    generator = torch.Generator().manual_seed(seed)
    anchors = 2 * 6 * 8 + 2 * 3 * 4
    labels = torch.zeros(2, anchors, dtype=torch.int8)
    labels[:, 5] = 1
    return torch.randn(2, 1, 48, 64, generator=generator), labels, torch.randn(2, anchors, 4, generator=generator)


def started() -> Training:
    """A training whose biases are not tied, as those of a dense network are not."""
    training = begin(NAME, SPARSE, 0)
    with torch.no_grad():
        for network in (training.network, training.average):
            pool = network.layers["rnnpool"]
            pool.cell1.bias_update.copy_(torch.linspace(-0.7, 2.3, 16))
            pool.cell2.bias_update.copy_(torch.linspace(1.9, 0.2, 16))
    return training


def run(training: Training, steps: int) -> None:
    for _ in range(steps):
        step(training, *batch(training.seen))


def blocks(matrix: torch.Tensor, edge: int) -> int:
    """The edge x edge blocks that have something else than zeros."""
    rows, columns = matrix.shape
    return int(matrix.reshape(rows // edge, edge, columns // edge, edge).abs().sum((1, 3)).count_nonzero())


def assert_exact(network: nn.Module) -> None:
    pool = network.get_submodule("layers.rnnpool")
    assert blocks(pool.cell1.W, 1) == 32
    for matrix in (pool.cell1.U, pool.cell2.W, pool.cell2.U):
        assert blocks(matrix, 2) == 24 and matrix.count_nonzero() > 80
    for cell in (pool.cell1, pool.cell2):
        assert len(set((cell.bias_update - cell.bias_gate).tolist())) == 1
        assert len(set(cell.bias_gate.tolist())) > 8


def test_zeros_and_ties_are_exact_in_the_network_its_average_and_the_checkpoint(tmp_path: Path) -> None:
    training = started()
    run(training, 4)
    early = training.network.layers["rnnpool"].cell1
    assert 24 < blocks(early.U, 2) < 64, "the zeros come gradually"
    offsets = early.bias_update - early.bias_gate
    assert 0 < (offsets - offsets.mean()).abs().max() < TIE_SPREAD
    run(training, 16)
    assert_exact(training.network)
    assert_exact(training.average)
    weights.save(training.average, tmp_path / "sparse.safetensors")
    assert_exact(weights.load(tmp_path / "sparse.safetensors"))


def test_a_resumed_training_has_the_same_zeros(tmp_path: Path) -> None:
    whole, first, second = (started() for _ in range(3))
    run(whole, 14)
    run(first, 7)
    first.save(tmp_path / "state.pt")
    second.restore(tmp_path / "state.pt")
    run(second, 7)
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, second.network.state_dict()[name]), name
    other = begin(NAME, replace(SPARSE, kept_w1=1.0), 0)
    with pytest.raises(HilError, match="another recipe"):
        other.restore(tmp_path / "state.pt")


def test_a_next_round_keeps_zeros_and_ties_from_its_first_step(tmp_path: Path) -> None:
    training = started()
    run(training, 20)
    before = training.average.layers["rnnpool"].cell2.W == 0
    weights.save(training.average, tmp_path / "first.safetensors")
    following = begin(NAME, SPARSE, 1, tmp_path / "first.safetensors")
    run(following, 1)
    assert_exact(following.network)
    assert_exact(following.average)
    assert torch.equal(following.network.layers["rnnpool"].cell2.W == 0, before)


def test_the_blocks_of_most_energy_stay() -> None:
    weight = torch.zeros(4, 6)
    weight[0, 0] = 3.0
    weight[2:, 4:] = 2.0
    weight[2:, 0:2] = -1.6
    assert largest(weight, 1 / 3, 2).nonzero().tolist() == [[i, j] for i in (2, 3) for j in (0, 1, 4, 5)]
    assert largest(weight, 1 / 24, 1).nonzero().tolist() == [[0, 0]]


def test_a_tie_moves_both_biases_alike() -> None:
    cell = FastGrnn(2, 4)
    with torch.no_grad():
        cell.bias_gate.copy_(torch.tensor([1.0, 2.0, 0.3, 1.1]))
        cell.bias_update.copy_(torch.tensor([0.0, 2.0, 0.3, 2.1]))
    sums = cell.bias_gate + cell.bias_update
    tie(cell, 0.5)
    torch.testing.assert_close(cell.bias_update - cell.bias_gate, torch.tensor([-0.5, 0.0, 0.0, 0.5]))
    tie(cell)
    assert (cell.bias_update - cell.bias_gate).tolist() == [0.0] * 4
    torch.testing.assert_close(cell.bias_gate + cell.bias_update, sums, atol=1e-5, rtol=0)


def test_the_dense_network_starts_the_sparse_one_and_another_does_not(tmp_path: Path) -> None:
    dense = tmp_path / "dense.safetensors"
    weights.save(build("rnnpool_face_m4"), dense)
    training = begin(NAME, load_recipe(NAME), 0, dense)
    assert training.network.spec.name == NAME
    run(training, 1)
    weights.save(build("rnnpool_face_quant"), dense)
    with pytest.raises(HilError, match="is a rnnpool_face_quant, whose tensors are not a rnnpool_face_m4_sparse's"):
        begin(NAME, load_recipe(NAME), 0, dense)


def test_a_dense_network_has_no_zeros() -> None:
    training = begin("rnnpool_face_m4", replace(Recipe(), batch=2), 0)
    run(training, 1)
    assert all(bool((p != 0).all()) for p in training.network.layers["rnnpool"].parameters())
