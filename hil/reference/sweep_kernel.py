"""The FastGRNN sweep for the CPU: numba kernels with a hand-written backward pass, split over torch's threads.

The innermost loops run over lanes (independent sequences), which lie next to each other in memory, and the loop over
the hidden units inside them has a constant length; LLVM unrolls it and vectorises over the lanes. The backward pass
computes the forward states again: storing them all would cost more memory traffic than the arithmetic.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

LANES = 64  # lanes in flight a thread: a state then has 4 KB at 16 hidden units and stays in the L1 cache
_FAST = {"reassoc", "contract", "nsz", "arcp"}  # no nnan: a diverged training must still show its NaN


@njit(inline="always", fastmath=_FAST)
def _tanh(x):
    """tanh within 3e-7: x P(x^2) / Q(x^2), our own minimax fit on [-8, 8], where tanh is 1 to float32 precision."""
    x = min(max(x, np.float32(-8.0)), np.float32(8.0))
    u = x * x
    p = np.float32(1.523067312731685e-08) * u + np.float32(2.1894841436263033e-05)
    p = (p * u + np.float32(0.003571608782059736)) * u + np.float32(0.13444507003589987)
    p = p * u + np.float32(1.0)
    q = np.float32(8.522549613320316e-07) * u + np.float32(0.00034113097046394923)
    q = (q * u + np.float32(0.026164483749148596)) * u + np.float32(0.4677783432621915)
    q = q * u + np.float32(1.0)
    return x * p / q


@njit(inline="always", fastmath=_FAST)
def _sigmoid(x):
    return np.float32(0.5) * _tanh(np.float32(0.5) * x) + np.float32(0.5)


@lru_cache(maxsize=None)
def sweep_kernels(hidden: int) -> tuple[Callable[..., None], Callable[..., None]]:
    """The forward and backward kernels for one number of hidden units, compiled at their first call."""

    @njit(nogil=True, fastmath=_FAST, cache=True, error_model="numpy")
    def forward(p, U, bias_gate, bias_update, zeta, nu, length, stride, reverse, out, first, last):
        state = np.empty((hidden, LANES), np.float32)
        following = np.empty((hidden, LANES), np.float32)
        for lane in range(first, last, LANES):
            n = min(LANES, last - lane)
            for window in range(out.shape[1]):
                state[:] = 0
                for t in range(length):
                    y = window * stride + (length - 1 - t if reverse else t)
                    for j in range(hidden):
                        gate, update = bias_gate[j], bias_update[j]
                        for s in range(n):
                            pre = p[j, y, lane + s]
                            for k in range(hidden):
                                pre += U[k, j] * state[k, s]
                            z = _sigmoid(pre + gate)
                            c = _tanh(pre + update)
                            following[j, s] = z * state[j, s] + (zeta * (np.float32(1) - z) + nu) * c
                    state, following = following, state
                for j in range(hidden):
                    for s in range(n):
                        out[j, window, lane + s] = state[j, s]

    @njit(nogil=True, fastmath=_FAST, cache=True, error_model="numpy")
    def backward(
        p, U, bias_gate, bias_update, zeta, nu, length, stride, reverse, grad, dp, dU, dbias, dscalars, first, last
    ):
        states = np.zeros((hidden, length + 1, LANES), np.float32)
        zs = np.zeros((hidden, length, LANES), np.float32)
        cs = np.zeros((hidden, length, LANES), np.float32)
        dpre = np.zeros((hidden, length, LANES), np.float32)
        dstate = np.zeros((hidden, LANES), np.float32)
        for lane in range(first, last, LANES):
            n = min(LANES, last - lane)
            if n < LANES:
                dpre[:] = 0  # so that the sums over all lanes below need not know n
            for window in range(grad.shape[1]):
                for t in range(length):
                    y = window * stride + (length - 1 - t if reverse else t)
                    for j in range(hidden):
                        gate, update = bias_gate[j], bias_update[j]
                        for s in range(n):
                            pre = p[j, y, lane + s]
                            for k in range(hidden):
                                pre += U[k, j] * states[k, t, s]
                            z = _sigmoid(pre + gate)
                            c = _tanh(pre + update)
                            zs[j, t, s] = z
                            cs[j, t, s] = c
                            states[j, t + 1, s] = z * states[j, t, s] + (zeta * (np.float32(1) - z) + nu) * c
                for j in range(hidden):
                    for s in range(n):
                        dstate[j, s] = grad[j, window, lane + s]
                for t in range(length - 1, -1, -1):
                    y = window * stride + (length - 1 - t if reverse else t)
                    for j in range(hidden):
                        dgate = np.float32(0)
                        dupdate = np.float32(0)
                        dzeta = np.float32(0)
                        dnu = np.float32(0)
                        for s in range(n):
                            d, z, c = dstate[j, s], zs[j, t, s], cs[j, t, s]
                            rest = np.float32(1) - z
                            dg = d * (states[j, t, s] - zeta * c) * z * rest
                            du = d * (zeta * rest + nu) * (np.float32(1) - c * c)
                            dgate += dg
                            dupdate += du
                            dzeta += d * c * rest
                            dnu += d * c
                            dpre[j, t, s] = dg + du
                            dp[j, y, lane + s] += dg + du
                            dstate[j, s] = d * z
                        dbias[0, j] += dgate
                        dbias[1, j] += dupdate
                        dscalars[0] += dzeta
                        dscalars[1] += dnu
                    for k in range(hidden):
                        for s in range(n):
                            d = dstate[k, s]
                            for j in range(hidden):
                                d += U[k, j] * dpre[j, t, s]
                            dstate[k, s] = d
                for k in range(hidden):
                    for j in range(hidden):
                        total = np.float32(0)
                        for t in range(1, length):
                            for s in range(LANES):
                                total += states[k, t, s] * dpre[j, t, s]
                        dU[k, j] += total

    return forward, backward


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="sweep")


def _in_parts(job: Callable[[int, int], Any], lanes: int) -> list[Any]:
    """job(first, last) for as many parts of the lanes as torch has threads."""
    parts = max(1, min(torch.get_num_threads(), lanes // LANES))
    blocks = -(-lanes // LANES)
    edges = [min(lanes, blocks * i // parts * LANES) for i in range(parts + 1)]
    if parts == 1:
        return [job(0, lanes)]
    return list(_pool().map(job, edges[:-1], edges[1:]))


class FastSweep(torch.autograd.Function):
    """`hil.reference.sweep.sweep` for float32 CPU tensors and the sigmoid/tanh cell."""

    @staticmethod
    def forward(ctx, projected: Tensor, U: Tensor, bias_gate: Tensor, bias_update: Tensor, zeta: Tensor, nu: Tensor,
                length: int, stride: int, reverse: bool) -> Tensor:  # fmt: skip
        hidden, steps = projected.shape[:2]
        lanes = projected.flatten(2).contiguous()
        mixes = torch.sigmoid(zeta), torch.sigmoid(nu)
        arrays = [t.detach().contiguous().numpy() for t in (lanes, U, bias_gate, bias_update)]
        arguments = (*arrays, np.float32(mixes[0]), np.float32(mixes[1]), length, stride, reverse)
        out = torch.empty(hidden, (steps - length) // stride + 1, lanes.shape[2])
        kernel = sweep_kernels(hidden)[0]
        _in_parts(lambda first, last: kernel(*arguments, out.numpy(), first, last), lanes.shape[2])
        ctx.arguments, ctx.shape, ctx.mixes = arguments, projected.shape, mixes
        return out.view(hidden, -1, *projected.shape[2:])

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple:
        hidden = ctx.shape[0]
        lanes = grad.flatten(2).contiguous()
        dp = torch.zeros(hidden, ctx.shape[1], lanes.shape[2])
        kernel = sweep_kernels(hidden)[1]

        def job(first: int, last: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            sums = np.zeros((hidden, hidden), np.float32), np.zeros((2, hidden), np.float32), np.zeros(2, np.float32)
            kernel(*ctx.arguments, lanes.numpy(), dp.numpy(), *sums, first, last)
            return sums

        parts = _in_parts(job, lanes.shape[2])
        dU, dbias, dmixes = (torch.from_numpy(np.sum(part, 0)) for part in zip(*parts, strict=True))
        dzeta, dnu = (d * m * (1 - m) for d, m in zip(dmixes, ctx.mixes, strict=True))
        return dp.view(ctx.shape), dU, dbias[0], dbias[1], dzeta, dnu, None, None, None
