"""Cells of RNNPool in integers: FastGRNN's, and what every kind has (gated.py: GRU and LSTM)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hil.compiler.quantised.formats import GATE_STEP_BITS, PRE_BITS, TANH_STEP_BITS, TIED_STEP_BITS


@dataclass(frozen=True)
class QCell:
    """A FastGRNN cell in integers.

    wx = sat16((sum w x + offset) >> w_shift), PRE_BITS fractional bits; pre = (wx << u_shift) + sum u h;
    (z, g) = gates[pre], c = tanh[pre + update_offset], each clamped to its table's range;
    next state = (z h + g c) >> GATE_BITS, saturated.
    w: int16 (in, hidden); offset: int32 (hidden,), rounding and gate bias included; u: int16 (hidden, hidden);
    update_offset: int32 (hidden,), candidate's bias minus gate's.
    gates: int16 (GATE_TABLE, 2), z and zeta (1 - z) + nu; tanh: int16 (TANH_TABLE,).
    is_convex: zeta is 1 and nu 0, so that a state cannot leave -1 to 1.

    A tied cell, whose candidate's bias lies above the gate's by the same for all units, is looked up at once:
    (z, v) = gates[pre] with z in Q15 and v = (1 - z) c in Q14, and the next state = (z (h + 1) + 2^16 v) >> 15, which
    is what SMLABB makes of the table's word. gates: int16 (TIED_TABLE, 2), 2 |v| + z < 2^15; tanh and update_offset are
    empty.
    """

    w: np.ndarray
    offset: np.ndarray
    w_shift: int
    u: np.ndarray
    u_shift: int
    update_offset: np.ndarray
    gates: np.ndarray
    tanh: np.ndarray
    is_convex: bool

    @property
    def hidden(self) -> int:
        return int(self.u.shape[0])

    @property
    def rows(self) -> int:
        """Values of W x."""
        return self.hidden

    @property
    def state(self) -> int:
        """Values that a step hands to the next."""
        return self.hidden

    @property
    def end_of_u(self) -> np.ndarray:
        """int32 (rows,): what lies behind U's rows in the firmware."""
        return self.update_offset

    @property
    def is_tied(self) -> bool:
        return self.tanh.size == 0

    @property
    def gate_shift(self) -> int:
        """From pre to an index of `gates`."""
        return PRE_BITS + self.u_shift - (TIED_STEP_BITS if self.is_tied else GATE_STEP_BITS)

    @property
    def tanh_shift(self) -> int:
        """From pre to an index of `tanh`."""
        return PRE_BITS + self.u_shift - TANH_STEP_BITS


class Cell(Protocol):
    """A QCell or, of a GRU or an LSTM, a hil.compiler.quantised.gated.QGated."""

    @property
    def w(self) -> np.ndarray: ...
    @property
    def offset(self) -> np.ndarray: ...
    @property
    def w_shift(self) -> int: ...
    @property
    def u(self) -> np.ndarray: ...
    @property
    def u_shift(self) -> int: ...
    @property
    def gates(self) -> np.ndarray: ...
    @property
    def tanh(self) -> np.ndarray: ...
    @property
    def hidden(self) -> int: ...
    @property
    def is_tied(self) -> bool: ...
    @property
    def rows(self) -> int: ...
    @property
    def state(self) -> int: ...
    @property
    def end_of_u(self) -> np.ndarray: ...
