"""FastGRNN, the recurrent cell of RNNPool (Kusupati et al., NeurIPS 2018)."""

import torch
from torch import Tensor, nn

NONLINEARITIES = ("sigmoid_tanh", "quant")


def quant_sigmoid(x: Tensor) -> Tensor:
    """The piecewise-linear sigmoid clip((x + 1) / 2, 0, 1)."""
    return ((x + 1) / 2).clamp(0, 1)


def quant_tanh(x: Tensor) -> Tensor:
    """The piecewise-linear tanh clip(x, -1, 1)."""
    return x.clamp(-1, 1)


class FastGrnn(nn.Module):
    """A gated cell whose gate and candidate share both matrices (row-vector convention).

        pre = x W + h U,  z = sigmoid(pre + bias_gate),  c = tanh(pre + bias_update)
        h'  = z * h + (sigmoid(zeta) * (1 - z) + sigmoid(nu)) * c

    W: (input_size, hidden_size), U: (hidden_size, hidden_size), biases: (hidden_size,), zeta and nu: scalars, before
    their sigmoid. At their start, 100 and -100, they come to exactly 1 and 0 in float32 and have no gradient.
    Raises ValueError for a nonlinearity other than "sigmoid_tanh" and "quant".
    """

    def __init__(self, input_size: int, hidden_size: int, nonlinearity: str = "sigmoid_tanh") -> None:
        super().__init__()
        if nonlinearity not in NONLINEARITIES:
            raise ValueError(f"nonlinearity is {nonlinearity!r}, expected one of {', '.join(NONLINEARITIES)}")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.nonlinearity = nonlinearity
        self.W = nn.Parameter(0.1 * torch.randn(input_size, hidden_size))
        self.U = nn.Parameter(0.1 * torch.randn(hidden_size, hidden_size))
        self.bias_gate = nn.Parameter(torch.ones(hidden_size))
        self.bias_update = nn.Parameter(torch.ones(hidden_size))
        self.zeta = nn.Parameter(torch.tensor(100.0))
        self.nu = nn.Parameter(torch.tensor(-100.0))

    def step(self, projected: Tensor, state: Tensor) -> Tensor:
        """The next state (..., hidden_size) from x W and the state, both (..., hidden_size)."""
        is_quant = self.nonlinearity == "quant"
        sigmoid, tanh = (quant_sigmoid, quant_tanh) if is_quant else (torch.sigmoid, torch.tanh)
        pre = projected + state @ self.U
        z = sigmoid(pre + self.bias_gate)
        c = tanh(pre + self.bias_update)
        return z * state + (torch.sigmoid(self.zeta) * (1 - z) + torch.sigmoid(self.nu)) * c

    def forward(self, sequence: Tensor) -> Tensor:
        """The last state (N, hidden_size) of a sequence (T, N, input_size), starting from zeros."""
        projected = sequence @ self.W
        state = projected.new_zeros(projected.shape[1:])
        for x in projected:
            state = self.step(x, state)
        return state

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, nonlinearity={self.nonlinearity!r}"
