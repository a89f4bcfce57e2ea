"""The FastGRNN sweep for the CPU: numba kernels with a hand-written backward pass, split over torch's threads.

The innermost loops run over lanes (independent sequences), which lie next to each other in memory, and the loop over
the hidden units inside them has a constant length; LLVM unrolls it and vectorises over the lanes. The backward pass
computes the forward states again: storing them all would cost more memory traffic than the arithmetic.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hil.machine_code import njit

LANES = 128  # sequences in flight a thread: the state of 16 hidden units then has 8 KB and stays in the L1 cache
PARTS_A_THREAD = 4
_FAST = {"reassoc", "contract", "nsz", "arcp"}  # no nnan: a diverged training must still show its NaN


@njit(inline="always", fastmath=_FAST)
def _tanh_fraction(x):  # type: ignore[no-untyped-def]
    """Numerator and denominator of tanh within 3e-7: x P(x^2) / Q(x^2), our own minimax fit on [-8, 8].

    Beyond, tanh is 1 to float32's precision.
    """
    x = min(max(x, np.float32(-8.0)), np.float32(8.0))
    u = x * x
    p = np.float32(1.523067312731685e-08) * u + np.float32(2.1894841436263033e-05)
    p = (p * u + np.float32(0.003571608782059736)) * u + np.float32(0.13444507003589987)
    p = p * u + np.float32(1.0)
    q = np.float32(8.522549613320316e-07) * u + np.float32(0.00034113097046394923)
    q = (q * u + np.float32(0.026164483749148596)) * u + np.float32(0.4677783432621915)
    q = q * u + np.float32(1.0)
    return x * p, q


@njit(inline="always", fastmath=_FAST)
def _gate_and_candidate(gate, candidate):  # type: ignore[no-untyped-def]
    """sigmoid(gate) = tanh(gate / 2) / 2 + 1 / 2 and tanh(candidate) with one division, the dearest operation here."""
    n0, d0 = _tanh_fraction(np.float32(0.5) * gate)
    n1, d1 = _tanh_fraction(candidate)
    r = np.float32(1.0) / (d0 * d1)
    return np.float32(0.5) * (n0 * d1 * r) + np.float32(0.5), n1 * d0 * r


@cache
def sweep_kernels(hidden: int) -> tuple[Callable[..., None], Callable[..., None]]:
    """The forward and backward kernels for one even number of hidden units, compiled at their first call.

    Both take two units at a time wherever all units meet: each load then serves two multiplications.
    """

    @njit(nogil=True, fastmath=_FAST, error_model="numpy")
    def forward(  # type: ignore[no-untyped-def]
        p, U, bias_gate, bias_update, zeta, nu, length, stride, reverse, out, first, last
    ):
        """out[window, :, lane] for the lanes first to last; p: (T, hidden, lanes)."""
        u = np.empty((hidden, hidden), np.float32)
        u[:] = U
        x = np.zeros((hidden, LANES), np.float32)
        pre = np.zeros((hidden, LANES), np.float32)
        state = np.zeros((hidden, LANES), np.float32)
        for lane in range(first, last, LANES):
            n = min(LANES, last - lane)
            for window in range(out.shape[0]):
                state[:] = 0
                for t in range(length):
                    y = window * stride + (length - 1 - t if reverse else t)
                    for j in range(hidden):
                        source = p[y, j, lane : lane + n]
                        for s in range(n):
                            x[j, s] = source[s]
                    for j in range(0, hidden, 2):
                        for s in range(LANES):
                            a, b = x[j, s], x[j + 1, s]
                            for k in range(hidden):
                                a += u[k, j] * state[k, s]
                                b += u[k, j + 1] * state[k, s]
                            pre[j, s] = a
                            pre[j + 1, s] = b
                    for j in range(hidden):
                        gate, update = bias_gate[j], bias_update[j]
                        for s in range(LANES):
                            z, c = _gate_and_candidate(pre[j, s] + gate, pre[j, s] + update)
                            state[j, s] = z * state[j, s] + (zeta * (np.float32(1) - z) + nu) * c
                result = out[window, :, lane : lane + n]
                for j in range(hidden):
                    for s in range(n):
                        result[j, s] = state[j, s]

    @njit(nogil=True, fastmath=_FAST, error_model="numpy")
    def backward(  # type: ignore[no-untyped-def]
        p, U, bias_gate, bias_update, zeta, nu, length, stride, reverse, grad, dp, dU, dbias, dmixes, first, last
    ):
        """Adds to dp (shape of p), dU, dbias (2, hidden) and dmixes (of zeta and nu) what these lanes contribute."""
        u = np.empty((hidden, hidden), np.float32)
        u[:] = U
        ut = np.empty((hidden, hidden), np.float32)
        ut[:] = U.T
        x = np.zeros((hidden, LANES), np.float32)
        pre = np.zeros((hidden, LANES), np.float32)
        dstate = np.zeros((hidden, LANES), np.float32)
        states = np.zeros((length + 1, hidden, LANES), np.float32)
        gates = np.zeros((length, hidden, LANES), np.float32)
        candidates = np.zeros((length, hidden, LANES), np.float32)
        dpre = np.zeros((hidden, LANES), np.float32)
        for lane in range(first, last, LANES):
            n = min(LANES, last - lane)
            dstate[:] = 0  # lanes past n then contribute nothing, and no loop below needs to know n
            for window in range(grad.shape[0]):
                for t in range(length):
                    y = window * stride + (length - 1 - t if reverse else t)
                    state, following, zs, cs = states[t], states[t + 1], gates[t], candidates[t]
                    for j in range(hidden):
                        source = p[y, j, lane : lane + n]
                        for s in range(n):
                            x[j, s] = source[s]
                    for j in range(0, hidden, 2):
                        for s in range(LANES):
                            a, b = x[j, s], x[j + 1, s]
                            for k in range(hidden):
                                a += u[k, j] * state[k, s]
                                b += u[k, j + 1] * state[k, s]
                            pre[j, s] = a
                            pre[j + 1, s] = b
                    for j in range(hidden):
                        gate, update = bias_gate[j], bias_update[j]
                        for s in range(LANES):
                            z, c = _gate_and_candidate(pre[j, s] + gate, pre[j, s] + update)
                            zs[j, s] = z
                            cs[j, s] = c
                            following[j, s] = z * state[j, s] + (zeta * (np.float32(1) - z) + nu) * c
                wanted = grad[window, :, lane : lane + n]
                for j in range(hidden):
                    for s in range(n):
                        dstate[j, s] = wanted[j, s]
                for t in range(length - 1, -1, -1):
                    state, zs, cs = states[t], gates[t], candidates[t]
                    for j in range(hidden):
                        dgate = np.float32(0)
                        dupdate = np.float32(0)
                        dzeta = np.float32(0)
                        dnu = np.float32(0)
                        for s in range(LANES):
                            d, z, c = dstate[j, s], zs[j, s], cs[j, s]
                            rest = np.float32(1) - z
                            dg = d * (state[j, s] - zeta * c) * z * rest
                            du = d * (zeta * rest + nu) * (np.float32(1) - c * c)
                            dgate += dg
                            dupdate += du
                            dzeta += d * c * rest
                            dnu += d * c
                            dpre[j, s] = dg + du
                            pre[j, s] = d * z
                        dbias[0, j] += dgate
                        dbias[1, j] += dupdate
                        dmixes[0] += dzeta
                        dmixes[1] += dnu
                    y = window * stride + (length - 1 - t if reverse else t)
                    for j in range(hidden):
                        target = dp[y, j, lane : lane + n]
                        for s in range(n):
                            target[s] += dpre[j, s]
                    if t == 0:
                        break  # the first state is zero: it adds nothing to dU and nobody wants its gradient
                    for k in range(0, hidden, 2):
                        for s in range(LANES):
                            d, e = pre[k, s], pre[k + 1, s]
                            for j in range(hidden):
                                d += ut[j, k] * dpre[j, s]
                                e += ut[j, k + 1] * dpre[j, s]
                            dstate[k, s] = d
                            dstate[k + 1, s] = e
                    for k in range(0, hidden, 2):
                        for j in range(0, hidden, 2):
                            t0 = np.float32(0)
                            t1 = np.float32(0)
                            t2 = np.float32(0)
                            t3 = np.float32(0)
                            for s in range(LANES):
                                t0 += state[k, s] * dpre[j, s]
                                t1 += state[k, s] * dpre[j + 1, s]
                                t2 += state[k + 1, s] * dpre[j, s]
                                t3 += state[k + 1, s] * dpre[j + 1, s]
                            dU[k, j] += t0
                            dU[k, j + 1] += t1
                            dU[k + 1, j] += t2
                            dU[k + 1, j + 1] += t3

    return forward, backward


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="sweep")


def _in_parts(job: Callable[[int, int], Any], lanes: int) -> list[Any]:
    """job(first, last) for parts of the lanes, on as many threads as torch has.

    A few parts a thread: where another program holds one of the cores, the other thread then takes more of them.
    """
    threads, blocks = torch.get_num_threads(), -(-lanes // LANES)
    parts = min(PARTS_A_THREAD * threads, blocks) if threads > 1 else 1
    edges = [min(lanes, blocks * i // parts * LANES) for i in range(parts + 1)]
    if parts == 1:
        return [job(0, lanes)]
    return list(_pool(threads).map(job, edges[:-1], edges[1:]))


class FastSweep(torch.autograd.Function):
    """`hil.reference.sweep.sweep` for float32 CPU tensors and the sigmoid/tanh cell."""

    @staticmethod
    def forward(ctx: Any, projected: Tensor, U: Tensor, bias_gate: Tensor, bias_update: Tensor, zeta: Tensor,
                nu: Tensor, length: int, stride: int, reverse: bool) -> Tensor:  # fmt: skip
        steps, hidden, lanes = projected.shape
        mixes = torch.sigmoid(zeta), torch.sigmoid(nu)
        arrays = [t.detach().contiguous().numpy() for t in (projected, U, bias_gate, bias_update)]
        arguments = (*arrays, np.float32(mixes[0].item()), np.float32(mixes[1].item()), length, stride, reverse)
        out = torch.empty((steps - length) // stride + 1, hidden, lanes)
        kernel, result = sweep_kernels(hidden)[0], out.numpy()
        _in_parts(lambda first, last: kernel(*arguments, result, first, last), lanes)
        ctx.arguments, ctx.mixes = arguments, mixes
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        steps, hidden, lanes = ctx.arguments[0].shape
        wanted = grad.contiguous().numpy()
        dp = np.zeros((steps, hidden, lanes), np.float32)
        kernel = sweep_kernels(hidden)[1]

        def job(first: int, last: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            sums = np.zeros((hidden, hidden), np.float32), np.zeros((2, hidden), np.float32), np.zeros(2, np.float32)
            kernel(*ctx.arguments, wanted, dp, *sums, first, last)
            return sums

        parts = _in_parts(job, lanes)
        dU, dbias, dmixes = (torch.from_numpy(np.sum(part, 0)) for part in zip(*parts, strict=True))
        dzeta, dnu = (d * m * (1 - m) for d, m in zip(dmixes, ctx.mixes, strict=True))
        return torch.from_numpy(dp), dU, dbias[0], dbias[1], dzeta, dnu, None, None, None
