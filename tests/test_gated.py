"""GRU and LSTM cells: PyTorch's, one step at a time, in floating point and in integers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from hil.compiler.quantised import gated
from hil.compiler.quantised import graph as q
from hil.reference.gated import Gated, Gru, Lstm
from hil.reference.rnnpool import RnnPool
from hil.reference.sweep import plain_sweep


def _cell(kind: type[Gated], inputs: int = 5, hidden: int = 6) -> Gated:
    torch.manual_seed(3)
    cell = kind(inputs, hidden)
    nn.init.normal_(cell.bias_input, std=0.5)
    nn.init.normal_(cell.bias_hidden, std=0.5)
    return cell


def _torchs(cell: Gated) -> nn.RNNCellBase:
    """PyTorch's own cell with the same weights."""
    made = (nn.GRUCell if isinstance(cell, Gru) else nn.LSTMCell)(cell.input_size, cell.hidden_size)
    with torch.no_grad():
        for theirs, ours in zip(
            (made.weight_ih, made.weight_hh, made.bias_ih, made.bias_hh),
            (cell.W.T, cell.U.T, cell.bias_input, cell.bias_hidden),
            strict=True,
        ):
            theirs.copy_(ours)
    return made


@torch.no_grad()
@pytest.mark.parametrize("kind", [Gru, Lstm])
def test_a_sweep_is_pytorchs_cell_step_by_step(kind: type[Gated]) -> None:
    cell = _cell(kind)
    x = torch.randn(9, 4, 5)  # T, lanes, inputs
    lanes = (x @ cell.W).transpose(1, 2)
    for reverse in (False, True):
        swept = plain_sweep(lanes, cell, 9, 9, reverse)[0].T
        state, theirs = None, _torchs(cell)
        for t in reversed(range(9)) if reverse else range(9):
            state = theirs(x[t], state)
        wanted = state[0] if kind is Lstm else state
        torch.testing.assert_close(swept, wanted, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", [Gru, Lstm])
def test_integers_follow_the_cell_for_sixteen_steps(kind: type[Gated]) -> None:
    cell = _cell(kind, 6, 8)
    scale = np.full(6, 2.0**-q.STATE_BITS)
    whole = gated.quantised(cell, scale, np.zeros(6), q.LIMITS["int16"])
    x = np.random.default_rng(1).integers(-32768, 32768, (16, 50, 6))
    state, real = np.zeros((50, whole.state), np.int64), cell.start(torch.zeros(50, 8 * cell.gates))
    for row in x:
        wx = np.clip((row @ whole.w.astype(np.int64) + whole.offset) >> whole.w_shift, *q.LIMITS["int16"])
        state = whole.step(wx, state)
        real = cell.step(torch.from_numpy(row * scale).float() @ cell.W, real)
    error = state[:, :8] * 2.0**-q.STATE_BITS - real[:, :8].numpy()
    assert np.square(error).mean() < 1e-4 * np.square(real[:, :8].numpy()).mean()


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_a_pool_of_it_learns(kind: str) -> None:
    pool = RnnPool(3, 4, 4, patch=4, stride=2, cell=kind)
    out = pool(torch.randn(2, 3, 12, 10))
    assert out.shape == (2, 16, 6, 5)
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in pool.parameters())


def test_an_unknown_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="no cell 'rnn'.*gru or lstm"):
        RnnPool(3, 4, 4, cell="rnn")
