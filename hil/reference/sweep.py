"""Windowed recurrences over lanes: the loop in which RNNPool spends its time, plain and fast.

Lanes are (T, hidden, L): a recurrence runs along T, and L are independent sequences. `sweep` takes the numba
kernel for float32 on the CPU and the plain PyTorch loop otherwise.
"""

import torch
from torch import Tensor

from hil.reference.fastgrnn import FastGrnn
from hil.reference.gated import Gated
from hil.reference.sweep_kernel import FastSweep


def sweep(projected: Tensor, cell: FastGrnn | Gated, length: int, stride: int, reverse: bool = False) -> Tensor:
    """The cell's last output over each window of `length` steps, a window every `stride` steps.

    projected: x W, (T, hidden, L). Returns ((T - length) // stride + 1, hidden, L). With reverse each window is read
    from its end to its start; the windows keep their order.
    """
    if isinstance(cell, Gated):
        return plain_sweep(projected, cell, length, stride, reverse)
    if torch.jit.is_tracing() or torch.compiler.is_compiling():
        return plain_sweep(projected, cell, length, stride, reverse)  # exporters follow torch's operations alone
    is_float_on_cpu = projected.device.type == "cpu" and projected.dtype == torch.float32
    if is_float_on_cpu and cell.nonlinearity != "quant" and cell.hidden_size % 2 == 0:
        return FastSweep.apply(
            projected, cell.U, cell.bias_gate, cell.bias_update, cell.zeta, cell.nu, length, stride, reverse
        )
    return plain_sweep(projected, cell, length, stride, reverse)


def plain_sweep(projected: Tensor, cell: FastGrnn | Gated, length: int, stride: int, reverse: bool = False) -> Tensor:
    """`sweep` as a PyTorch loop: any device, any type, any cell."""
    windows = projected.unfold(0, length, stride).transpose(1, 2)  # (windows, L, hidden, length)
    state = cell.start(windows[..., 0]) if isinstance(cell, Gated) else windows.new_zeros(windows.shape[:-1])
    for t in reversed(range(length)) if reverse else range(length):
        state = cell.step(windows[..., t], state)
    return state[..., : cell.hidden_size].transpose(1, 2)
