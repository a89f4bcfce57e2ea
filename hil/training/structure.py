"""Sparse and tied RNNPools, as a recipe asks for them: what the firmware then skips and shares.

kept_w1 of cell1's W stay, entry by entry; kept_blocks of U1, W2 and U2 in blocks of 2x2; the rest are exact zeros.
Tied, bias_update - bias_gate is exactly one number for all units of a cell: gate and candidate then read one table.
Both grow over the first part of the schedule, sparse_by (Zhu and Gupta, To prune or not to prune, 2017: the cube).

Nothing is kept beside the weights: their zeros are the mask, and biases that are tied stay so. A resumed training, the
average and a next round of the same network have them too.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from hil.reference.fastgrnn import FastGrnn
from hil.reference.rnnpool import RnnPool
from hil.training.recipe import Recipe

BLOCK = 2
TIE_GRID = 2.0**-20  # biases below 16 on it have float32's 24 bits: sums and differences of them are exact
TIE_SPREAD = 2.0  # how far the differences may be from their mean where the tie begins


def loose(network: nn.Module, recipe: Recipe) -> dict[str, Tensor]:
    """Where the weights that get zeros have none, and which cells are not tied, by name."""
    found = {name: weight != 0 for name, weight, _, _ in _thinned(network, recipe)}
    for name, cell in _cells(network):
        difference = cell.bias_update - cell.bias_gate
        found[name] = (difference != difference[0]).any()
    return found


@torch.no_grad()
def impose(network: nn.Module, recipe: Recipe, progress: float, before: Mapping[str, Tensor]) -> None:
    """Zero what has the least energy beyond the share that may stay now, and tie the biases as far as they must be.

    progress: of the schedule, 0 to 1. before: what was loose before the step; the rest stays zero and tied.
    """
    left = max(0.0, 1 - progress / recipe.sparse_by) if recipe.sparse_by else 0.0
    for name, weight, share, edge in _thinned(network, recipe):
        weight.mul_(before[name])
        weight.mul_(largest(weight, share + (1 - share) * left**3, edge))
    if recipe.is_tied:
        for name, cell in _cells(network):
            tie(cell, TIE_SPREAD * left if before[name] else 0.0)


def largest(weight: Tensor, share: float, edge: int) -> Tensor:
    """The mask of the edge x edge blocks of most energy, round(share * blocks) of them. weight: (rows, columns)."""
    rows, columns = weight.shape
    energy = weight.square().reshape(rows // edge, edge, columns // edge, edge).sum((1, 3))
    kept = torch.zeros_like(energy, dtype=torch.bool).flatten()
    kept[energy.flatten().topk(round(share * energy.numel())).indices] = True
    return kept.view_as(energy).repeat_interleave(edge, 0).repeat_interleave(edge, 1)


@torch.no_grad()
def tie(cell: FastGrnn, spread: float = 0.0) -> None:
    """Move both biases by as little as brings their difference within spread of its mean; exactly to it at 0."""
    difference = cell.bias_update - cell.bias_gate
    mean = (difference.mean() / TIE_GRID).round() * TIE_GRID
    excess = difference - mean - (difference - mean).clamp(-spread, spread)
    gate = cell.bias_gate + excess / 2
    if spread:
        cell.bias_update.sub_(excess / 2)
        cell.bias_gate.copy_(gate)
    else:
        cell.bias_gate.copy_((gate / TIE_GRID).round() * TIE_GRID)
        cell.bias_update.copy_(cell.bias_gate + mean)


def _pools(network: nn.Module) -> Iterator[tuple[str, RnnPool]]:
    return ((name, module) for name, module in network.named_modules() if isinstance(module, RnnPool))


def _cells(network: nn.Module) -> Iterator[tuple[str, FastGrnn]]:
    """The cells that have two biases to tie."""
    for name, pool in _pools(network):
        for key, cell in (("cell1", pool.cell1), ("cell2", pool.cell2)):
            if isinstance(cell, FastGrnn):
                yield f"{name}.{key}", cell


def _thinned(network: nn.Module, recipe: Recipe) -> Iterator[tuple[str, Tensor, float, int]]:
    """The matrices that get zeros: name, weight, the share that stays, the edge of what goes together."""
    for name, pool in _pools(network):
        if recipe.kept_w1 < 1:
            yield f"{name}.cell1.W", pool.cell1.W, recipe.kept_w1, 1
        if recipe.kept_blocks < 1:
            yield f"{name}.cell1.U", pool.cell1.U, recipe.kept_blocks, BLOCK
            yield f"{name}.cell2.W", pool.cell2.W, recipe.kept_blocks, BLOCK
            yield f"{name}.cell2.U", pool.cell2.U, recipe.kept_blocks, BLOCK
