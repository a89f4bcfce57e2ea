"""GRU and LSTM cells in FastGRNN's place in RNNPool (the paper's Table 18), in PyTorch's convention.

Row vectors as in hil.reference.fastgrnn: x W, h U. The gates' columns lie side by side: W is (input_size, gates *
hidden_size), U (hidden_size, gates * hidden_size). A state is what a step hands to the next; its first hidden_size
numbers are the output.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn


class Gated(nn.Module):
    """What both have: the matrices and the biases of x W and of h U. gates: columns of W a unit."""

    kind: Literal["gru", "lstm"]
    gates: int
    memory: int  # numbers of a state a unit
    nonlinearity = "sigmoid_tanh"

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        size = self.gates * hidden_size
        self.W = nn.Parameter(torch.randn(input_size, size) / input_size**0.5)
        self.U = nn.Parameter(torch.randn(hidden_size, size) / hidden_size**0.5)
        self.bias_input = nn.Parameter(torch.zeros(size))
        self.bias_hidden = nn.Parameter(torch.zeros(size))

    def start(self, like: Tensor) -> Tensor:
        """The first state, zeros, for x W of (..., gates * hidden_size)."""
        return like.new_zeros(*like.shape[:-1], self.memory * self.hidden_size)

    def step(self, projected: Tensor, state: Tensor) -> Tensor:
        """The next state from x W and the state."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}"


class Gru(Gated):
    """r, z = sigmoid(x W + b + h U + c), n = tanh(x W + b + r (h U + c)), h' = (1 - z) n + z h (Cho et al., 2014)."""

    kind: Literal["gru"] = "gru"
    gates, memory = 3, 1

    def step(self, projected: Tensor, state: Tensor) -> Tensor:
        xr, xz, xn = (projected + self.bias_input).chunk(3, -1)
        hr, hz, hn = (state @ self.U + self.bias_hidden).chunk(3, -1)
        r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
        n = torch.tanh(xn + r * hn)
        return n + z * (state - n)


class Lstm(Gated):
    """i, f, o = sigmoid, g = tanh of x W + b + h U + c; c' = f c + i g, h' = o tanh(c') (Hochreiter, 1997).

    Columns in the order i, f, g, o. A state is h, then c.
    """

    kind: Literal["lstm"] = "lstm"
    gates, memory = 4, 2

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        with torch.no_grad():
            self.bias_input[hidden_size : 2 * hidden_size] = 1.0  # remembers until it learns otherwise

    def step(self, projected: Tensor, state: Tensor) -> Tensor:
        h, c = state.chunk(2, -1)
        i, f, g, o = (projected + self.bias_input + h @ self.U + self.bias_hidden).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.cat([torch.sigmoid(o) * torch.tanh(c), c], -1)
