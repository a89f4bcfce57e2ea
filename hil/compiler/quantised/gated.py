"""GRU and LSTM cells of RNNPool in integers: quantised, and one step of each. Kernel: firmware_src/kernels/gated.h."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from hil.compiler.quantised import graph as q
from hil.errors import HilError

if TYPE_CHECKING:  # not for running: it imports torch, which takes seconds
    from hil.reference.gated import Gated

CELL_BITS = q.PRE_BITS  # an LSTM's cell states: int16 with 11 fractional bits, -16 to 16
HALF = 1 << (q.GATE_BITS - 1)


@dataclass(frozen=True)
class QGated:
    """A GRU or an LSTM cell in integers.

    wx = sat16((sum w x + offset) >> w_shift), uh = sat16((sum u h + u_offset) >> u_shift), PRE_BITS fractional bits.
    sigma = gates[s] and tau = tanh[s], each clamped to its table's range, of sums s = wx + uh.
    GRU (r, z, n): m = (sigma_r uh_n + half) >> GATE_BITS, c = tanh[wx_n + m], h' = c + (sigma_z (h - c) >> GATE_BITS).
    LSTM (i, f, g, o): c' = sat16((sigma_f c + (sigma_i tau_g >> (STATE_BITS - CELL_BITS))) >> GATE_BITS),
    h' = sigma_o tanh[c'] >> GATE_BITS. A state is h, then an LSTM's c.
    w: int16 (in, rows); offset, u_offset: int32 (rows,), rounding and biases included; u: int16 (hidden, rows).
    gates: int16 (GATE_TABLE,), Q14; tanh: int16 (TANH_TABLE,), Q15.
    """

    kind: Literal["gru", "lstm"]
    w: np.ndarray
    offset: np.ndarray
    w_shift: int
    u: np.ndarray
    u_shift: int
    u_offset: np.ndarray
    gates: np.ndarray
    tanh: np.ndarray

    @property
    def hidden(self) -> int:
        return int(self.u.shape[0])

    @property
    def rows(self) -> int:
        return int(self.u.shape[1])

    @property
    def state(self) -> int:
        return self.hidden * (2 if self.kind == "lstm" else 1)

    @property
    def is_tied(self) -> bool:
        return False

    @property
    def end_of_u(self) -> np.ndarray:
        return self.u_offset

    def step(self, wx: np.ndarray, state: np.ndarray) -> np.ndarray:
        """The next state, int64 (..., state), of wx (..., rows)."""
        n = self.hidden
        h = state[..., :n]
        sums = (h.astype(np.float64) @ self.u.astype(np.float64)).astype(np.int64) + self.u_offset
        uh = np.clip(sums >> self.u_shift, *q.LIMITS["int16"])
        if self.kind == "gru":
            reset, keep = self._gate(wx[..., :n] + uh[..., :n]), self._gate(wx[..., n : 2 * n] + uh[..., n : 2 * n])
            inner = (reset * uh[..., 2 * n :] + HALF) >> q.GATE_BITS
            candidate = self._tanh(wx[..., 2 * n :] + inner)
            return candidate + ((keep * (h - candidate)) >> q.GATE_BITS)
        i, f, g, o = (wx[..., k * n : (k + 1) * n] + uh[..., k * n : (k + 1) * n] for k in range(4))
        added = (self._gate(i) * self._tanh(g)) >> (q.STATE_BITS - CELL_BITS)
        cell = np.clip((self._gate(f) * state[..., n:] + added) >> q.GATE_BITS, *q.LIMITS["int16"])
        return np.concatenate([(self._gate(o) * self._tanh(cell)) >> q.GATE_BITS, cell], -1)

    def _gate(self, pre: np.ndarray) -> np.ndarray:
        return _look_up(self.gates, pre >> (q.PRE_BITS - q.GATE_STEP_BITS))

    def _tanh(self, pre: np.ndarray) -> np.ndarray:
        return _look_up(self.tanh, pre >> (q.PRE_BITS - q.TANH_STEP_BITS))


def _look_up(table: np.ndarray, index: np.ndarray) -> np.ndarray:
    half = len(table) // 2
    return table.astype(np.int64)[np.clip(index, -half, half - 1) + half]


def quantised(cell: Gated, scale: np.ndarray, mean: np.ndarray, limits: tuple[int, int]) -> QGated:
    """scale, mean: of the cell's input, a value a channel: x = (q - mean) * scale, q within limits.

    Raises HilError for weights that 16 bits do not hold.
    """
    w, u, bias, of_hidden = (
        m.detach().double().numpy().copy() for m in (cell.W, cell.U, cell.bias_input, cell.bias_hidden)
    )
    inner = np.zeros_like(of_hidden)
    if cell.kind == "gru":  # its candidate's is behind the reset gate
        inner[2 * cell.hidden_size :] = of_hidden[2 * cell.hidden_size :]
    w_real, u_real = w * scale[:, None] * 2.0**q.PRE_BITS, u * 2.0 ** (q.PRE_BITS - q.STATE_BITS)
    w_shift, u_shift = finest(w_real, max(abs(limit) for limit in limits)), finest(u_real, 2**q.STATE_BITS)
    w_int, u_int = np.rint(w_real * 2.0**w_shift), np.rint(u_real * 2.0**u_shift)
    real = (bias + of_hidden - inner) * 2.0**q.PRE_BITS + 0.5
    offset = np.rint(real * 2.0**w_shift - (w_int * mean[:, None]).sum(0))
    u_offset = np.rint((inner * 2.0**q.PRE_BITS + 0.5) * 2.0**u_shift)
    if max(np.abs(offset).max(), np.abs(u_offset).max()) >= 2**30:
        raise HilError("a recurrent cell's biases are too large for 16 bits: was the checkpoint trained like this?")
    gates, tanh = _tables()
    return QGated(
        cell.kind, w_int.astype(np.int16), offset.astype(np.int32), w_shift, u_int.astype(np.int16), u_shift,
        u_offset.astype(np.int32), gates, tanh,
    )  # fmt: skip


def _tables() -> tuple[np.ndarray, np.ndarray]:
    """The tables of QGated, sampled in the middle of each bin."""
    x_gate = (np.arange(q.GATE_TABLE) - q.GATE_TABLE // 2 + 0.5) * 2.0**-q.GATE_STEP_BITS
    x_tanh = (np.arange(q.TANH_TABLE) - q.TANH_TABLE // 2 + 0.5) * 2.0**-q.TANH_STEP_BITS
    gates = np.rint(2**q.GATE_BITS / (1 + np.exp(-x_gate)))
    tanh = np.clip(np.rint(np.tanh(x_tanh) * 2**q.STATE_BITS), -32767, 32767)
    return gates.astype(np.int16), tanh.astype(np.int16)


def finest(real: np.ndarray, largest: int) -> int:
    """The largest shift, at most 16, at which real * 2^shift fits int16 and its sums over inputs fit 31 bits."""
    for shift in range(16, 0, -1):
        scaled = np.abs(np.rint(real * 2.0**shift))
        if scaled.max(initial=0) <= 32767 and scaled.sum(0).max(initial=0) * largest < 2**30:
            return shift
    raise HilError("a recurrent cell's weights are too large for 16 bits: was the checkpoint trained like this?")
